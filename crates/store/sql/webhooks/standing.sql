SELECT w.webhook_id, w.updated_at,
       (SELECT d.delivery FROM deliveries d WHERE d.webhook_id = w.webhook_id AND d.state = 'pending'
        ORDER BY d.delivery LIMIT 1) AS oldest,
       (SELECT d.delivery FROM deliveries d WHERE d.webhook_id = w.webhook_id AND d.state = 'pending'
        ORDER BY d.delivery DESC LIMIT 1) AS newest
FROM webhooks w WHERE w.enabled
