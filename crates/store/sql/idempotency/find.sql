SELECT fingerprint, run, created_at, status, headers, body
FROM idempotency WHERE token_id = $1 AND key = $2
