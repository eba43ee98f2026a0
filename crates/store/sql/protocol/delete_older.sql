DELETE FROM protocol
WHERE instance = $1 AND kind = $2 AND at <> 0 AND at < $3
