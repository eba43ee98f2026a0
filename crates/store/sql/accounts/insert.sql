INSERT INTO accounts (account_id, name, created_at) VALUES ($1, $2, $3)
