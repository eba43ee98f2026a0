UPDATE webhooks SET enabled = FALSE, reason = $2, updated_at = $3 WHERE webhook_id = $1
