UPDATE deliveries SET lane = (SELECT r.value ->> 1 FROM json_array_elements(CAST($2 AS JSON)) AS r (value) WHERE r.value ->> 0 = lane)
WHERE instance = $1 AND lane IN (SELECT r.value ->> 0 FROM json_array_elements(CAST($2 AS JSON)) AS r (value))
