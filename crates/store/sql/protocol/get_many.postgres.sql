SELECT key, value, at FROM protocol
WHERE instance = $1 AND kind = $2 AND key IN (SELECT json_array_elements_text($3::json))
