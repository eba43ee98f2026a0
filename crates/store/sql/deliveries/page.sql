SELECT delivery, webhook_id, instance, seq, event_id, kind, lane, event, state, attempts, forgiven, due_at, created_at, ended_at
FROM deliveries WHERE webhook_id = $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) AND delivery < $3 ORDER BY delivery DESC LIMIT $4
