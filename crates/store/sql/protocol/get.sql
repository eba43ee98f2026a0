SELECT key, value, at FROM protocol
WHERE instance = $1 AND kind = $2 AND key = $3
