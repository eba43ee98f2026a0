SELECT webhook_id, instance, dialect, name, enabled, reason, config, created_at, updated_at
FROM webhooks WHERE enabled ORDER BY webhook_id
