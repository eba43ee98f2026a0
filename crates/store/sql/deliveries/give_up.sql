UPDATE deliveries SET state = 'dead', ended_at = $3
WHERE webhook_id = $1 AND state = 'pending' AND due_at < $2
