INSERT INTO lid_map (instance, lid, phone, created_at, updated_at, learning_source)
SELECT $1, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4
FROM json_each($2) r
WHERE TRUE
ON CONFLICT (instance, lid) DO UPDATE SET
    phone = excluded.phone, created_at = excluded.created_at,
    updated_at = excluded.updated_at, learning_source = excluded.learning_source
    WHERE lid_map.phone <> excluded.phone
RETURNING lid, phone
