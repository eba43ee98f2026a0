UPDATE deliveries SET state = $2, attempts = $3, due_at = $4, ended_at = $5,
    event = CASE WHEN $2 = 'done' THEN NULL ELSE event END
WHERE delivery = $1
