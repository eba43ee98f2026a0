SELECT webhook_id, instance, dialect, name, enabled, reason, config, created_at, updated_at
FROM webhooks WHERE webhook_id = $1
