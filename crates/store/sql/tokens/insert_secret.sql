INSERT INTO token_secrets (hash, token_id) VALUES ($1, $2)
