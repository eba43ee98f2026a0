SELECT t.token_id, t.account_id, t.instance, t.name, t.scopes, t.expires_at, s.valid_until
FROM token_secrets s JOIN tokens t ON t.token_id = s.token_id
WHERE s.hash = $1 AND t.revoked_at IS NULL
