DELETE FROM protocol p
USING json_array_elements_text($3::json) AS r (key)
WHERE p.instance = $1 AND p.kind = $2 AND p.key = r.key
