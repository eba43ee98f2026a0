INSERT INTO attempts (delivery, attempt, at, status, ms, answer, error)
SELECT r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6
FROM json_each($1) r JOIN deliveries d ON d.delivery = r.value ->> 0 WHERE true
ON CONFLICT (delivery, attempt) DO NOTHING
