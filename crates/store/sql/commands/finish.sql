UPDATE commands SET state = $2, error = $3, finished_at = $4 WHERE command_id = $1 AND state = 'pending'
