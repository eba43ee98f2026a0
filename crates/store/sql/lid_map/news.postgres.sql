SELECT r.value ->> 0 AS lid, r.value ->> 1 AS phone
FROM json_array_elements($2::json) AS r (value)
LEFT JOIN LATERAL (
    SELECT phone FROM lid_map
    WHERE instance = $1 AND lid = r.value ->> 0
    OFFSET 0
) AS m ON TRUE
WHERE m.phone IS NULL OR m.phone <> r.value ->> 1
