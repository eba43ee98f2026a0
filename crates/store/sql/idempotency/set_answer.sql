UPDATE idempotency SET status = $4, headers = $5, body = $6
WHERE token_id = $1 AND key = $2 AND run = $3 AND status IS NULL
