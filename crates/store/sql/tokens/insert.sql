INSERT INTO tokens (hash, account_id, instance, created_at) VALUES ($1, $2, $3, $4)
