SELECT key FROM protocol
WHERE instance = $1 AND kind = $2
ORDER BY key DESC
LIMIT 1
