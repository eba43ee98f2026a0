UPDATE webhooks SET name = $2, enabled = $3, reason = NULL, config = $4, updated_at = $5 WHERE webhook_id = $1
