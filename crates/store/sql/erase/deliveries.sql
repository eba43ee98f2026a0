SELECT delivery AS id, event AS body FROM deliveries
WHERE instance = $1 AND event IS NOT NULL AND event LIKE $2
