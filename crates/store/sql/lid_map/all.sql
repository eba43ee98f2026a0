SELECT lid, phone, created_at, updated_at, learning_source FROM lid_map
WHERE instance = $1
ORDER BY lid
