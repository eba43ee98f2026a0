SELECT delivery, webhook_id, instance, seq, event_id, kind, lane, event, state, attempts, forgiven, due_at, created_at, ended_at
FROM deliveries INDEXED BY deliveries_pending WHERE webhook_id = $1 AND state = 'pending' AND delivery > $2 ORDER BY delivery LIMIT $3
