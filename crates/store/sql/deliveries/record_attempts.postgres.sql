INSERT INTO attempts (delivery, attempt, at, status, ms, answer, error)
SELECT (r.value ->> 0)::bigint, (r.value ->> 1)::integer, (r.value ->> 2)::bigint, (r.value ->> 3)::integer,
       (r.value ->> 4)::bigint, r.value ->> 5, r.value ->> 6
FROM json_array_elements($1::json) AS r (value) JOIN deliveries d ON d.delivery = (r.value ->> 0)::bigint
ON CONFLICT (delivery, attempt) DO NOTHING
