SELECT command_id, kind, body, state, error, actor, created_at, finished_at
FROM commands WHERE instance = $1 AND actor = $2 AND idempotency_key = $3 ORDER BY created_at DESC LIMIT 1
