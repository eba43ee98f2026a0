SELECT m.lid, m.phone, m.created_at, m.updated_at, m.learning_source
FROM json_array_elements_text($2::json) AS r (id)
JOIN lid_map m ON m.instance = $1 AND m.phone = r.id
ORDER BY m.updated_at DESC, m.created_at DESC, m.lid DESC
