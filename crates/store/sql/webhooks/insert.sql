INSERT INTO webhooks (webhook_id, instance, dialect, name, enabled, reason, config, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, NULL, $6, $7, $7)
