SELECT r.value ->> 0 AS lid, r.value ->> 1 AS phone
FROM json_each($2) r
LEFT JOIN lid_map m ON m.instance = $1 AND m.lid = r.value ->> 0
WHERE m.phone IS NULL OR m.phone <> r.value ->> 1
