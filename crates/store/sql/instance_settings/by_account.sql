SELECT s.instance, s.name, s.value
FROM instance_settings AS s
JOIN instances AS i ON i.instance = s.instance
WHERE i.account_id = $1
ORDER BY s.instance, s.name
