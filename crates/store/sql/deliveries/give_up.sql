UPDATE deliveries SET state = 'dead', ended_at = $3, event = CASE WHEN kind = 'message.received' THEN NULL ELSE event END
WHERE webhook_id = $1 AND state = 'pending' AND due_at < $2
