SELECT key FROM protocol
WHERE instance = $1 AND kind = $2 AND key COLLATE "C" >= $3 AND key COLLATE "C" < $4
LIMIT 1
