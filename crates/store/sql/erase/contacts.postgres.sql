DELETE FROM contacts WHERE instance = $1 AND chat IN (SELECT r.value ->> 0 FROM json_array_elements(CAST($2 AS JSON)) AS r (value))
