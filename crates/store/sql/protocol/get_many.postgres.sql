SELECT p.key, p.value, p.at
FROM json_array_elements_text($3::json) AS r (key)
CROSS JOIN LATERAL (
    SELECT key, value, at FROM protocol
    WHERE instance = $1 AND kind = $2 AND key = r.key
    OFFSET 0
) AS p
