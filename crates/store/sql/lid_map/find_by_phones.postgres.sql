SELECT m.lid, m.phone, m.created_at, m.updated_at, m.learning_source
FROM json_array_elements_text($2::json) AS r (id)
CROSS JOIN LATERAL (
    SELECT lid, phone, created_at, updated_at, learning_source FROM lid_map WHERE instance = $1 AND phone = r.id
    OFFSET 0
) m
ORDER BY m.updated_at DESC, m.created_at DESC, m.lid DESC
