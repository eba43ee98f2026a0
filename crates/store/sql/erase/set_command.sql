UPDATE commands SET body = $2 WHERE command_id = $1
