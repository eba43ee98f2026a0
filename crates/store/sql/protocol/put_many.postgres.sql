INSERT INTO protocol (instance, kind, key, value, at)
SELECT $1, $2, r.value ->> 0, decode(r.value ->> 1, 'hex'), (r.value ->> 2)::bigint
FROM json_array_elements($3::json) AS r (value)
ON CONFLICT (instance, kind, key) DO UPDATE SET value = excluded.value, at = excluded.at
