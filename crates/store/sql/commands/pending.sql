SELECT command_id, kind, body, state, error, actor, created_at, finished_at
FROM commands WHERE instance = $1 AND state = 'pending' ORDER BY created_at, command_id
