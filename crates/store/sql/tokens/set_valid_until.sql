UPDATE token_secrets SET valid_until = $2
WHERE token_id = $1 AND (valid_until IS NULL OR valid_until > $2)
