SELECT p.key AS key, p.value AS value, p.at AS at
FROM json_each($3) r
CROSS JOIN protocol p ON p.instance = $1 AND p.kind = $2 AND p.key = r.value
