SELECT r.value ->> 0 AS lid, r.value ->> 1 AS phone
FROM json_array_elements($2::json) AS r (value)
LEFT JOIN lid_map m ON m.instance = $1 AND m.lid = r.value ->> 0
WHERE m.phone IS NULL OR m.phone <> r.value ->> 1
