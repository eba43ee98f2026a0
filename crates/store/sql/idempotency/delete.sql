DELETE FROM idempotency WHERE token_id = $1 AND key = $2 AND run = $3 AND created_at = $4
