SELECT key FROM protocol
WHERE instance = $1 AND kind = $2 AND key >= $3 AND key < $4
LIMIT 1
