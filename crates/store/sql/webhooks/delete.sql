DELETE FROM webhooks WHERE webhook_id = $1
