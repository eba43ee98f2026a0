INSERT INTO lid_map (instance, lid, phone, created_at, updated_at, learning_source)
SELECT $1, substr(value, 3 + substr(value, 1, 2)), substr(value, 3, substr(value, 1, 2)), $3, $4, $5
FROM json_each($2)
WHERE TRUE
ON CONFLICT (instance, lid) DO UPDATE SET
    phone = excluded.phone, created_at = excluded.created_at,
    updated_at = excluded.updated_at, learning_source = excluded.learning_source
    WHERE lid_map.phone <> excluded.phone
RETURNING lid, phone
