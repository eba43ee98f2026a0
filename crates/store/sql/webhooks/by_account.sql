SELECT w.webhook_id, w.instance, w.dialect, w.name, w.enabled, w.reason, w.config, w.created_at, w.updated_at
FROM webhooks w JOIN instances i ON i.instance = w.instance
WHERE i.account_id = $1 AND w.dialect = $2
ORDER BY w.instance, w.name
