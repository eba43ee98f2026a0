DELETE FROM token_secrets WHERE token_id = $1
