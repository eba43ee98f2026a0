SELECT state, COUNT(*) AS deliveries, MIN(created_at) AS oldest_at FROM deliveries WHERE webhook_id = $1 GROUP BY state
