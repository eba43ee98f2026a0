INSERT INTO instance_settings (instance, name, value)
VALUES ($1, $2, $3)
ON CONFLICT (instance, name) DO UPDATE SET value = excluded.value
