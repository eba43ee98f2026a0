INSERT INTO commands (command_id, instance, kind, body, state, actor, idempotency_key, created_at)
VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7)
