INSERT INTO protocol (instance, kind, key, value, at)
SELECT $1, $2, r.value ->> 0, unhex(r.value ->> 1), r.value ->> 2
FROM json_each($3) r
WHERE TRUE
ON CONFLICT (instance, kind, key) DO UPDATE SET value = excluded.value, at = excluded.at
