SELECT account_id, instance FROM tokens WHERE hash = $1
