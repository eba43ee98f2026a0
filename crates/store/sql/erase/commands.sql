SELECT command_id AS id, body FROM commands
WHERE instance = $1 AND state <> 'pending' AND body LIKE $2
