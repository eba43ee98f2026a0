INSERT INTO protocol (instance, kind, key, value, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (instance, kind, key) DO UPDATE SET value = excluded.value, at = excluded.at
