DELETE FROM protocol
WHERE instance = $1 AND kind = $2 AND key = $3
RETURNING key, value, at
