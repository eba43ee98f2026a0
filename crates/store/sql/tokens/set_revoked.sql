UPDATE tokens SET revoked_at = $2 WHERE token_id = $1
