SELECT m.lid, m.phone, m.created_at, m.updated_at, m.learning_source
FROM json_each($2) r CROSS JOIN lid_map m INDEXED BY lid_map_phone ON m.instance = $1 AND m.phone = r.value
ORDER BY m.updated_at DESC, m.created_at DESC, m.lid DESC
