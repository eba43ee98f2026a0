SELECT t.token_id, t.instance, i.name AS instance_name, t.name, t.scopes,
       t.created_at, t.expires_at, t.last_used_at, t.revoked_at
FROM tokens t LEFT JOIN instances i ON i.instance = t.instance
WHERE t.account_id = $1 AND t.token_id = $2
