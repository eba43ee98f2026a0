SELECT lid, phone, created_at, updated_at, learning_source FROM lid_map
WHERE instance = $1 AND phone = $2
ORDER BY updated_at DESC, created_at DESC, lid DESC
LIMIT 1
