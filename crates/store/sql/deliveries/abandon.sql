UPDATE deliveries SET state = 'dead', ended_at = $2, event = CASE WHEN kind = 'message.received' THEN NULL ELSE event END
WHERE state = 'pending' AND due_at < $1
  AND webhook_id IN (SELECT webhook_id FROM webhooks WHERE NOT enabled)
