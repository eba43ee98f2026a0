DELETE FROM token_secrets WHERE token_id = $1 AND valid_until <= $2
