INSERT INTO instances (instance, instance_id, account_id, name, wanted, state, reason, created_at)
VALUES ($1, $2, $3, $4, FALSE, $5, $6, $7)
