SELECT instance, name, value FROM instance_settings WHERE instance = $1 ORDER BY name
