DELETE FROM protocol
WHERE instance = $1 AND kind = $2
