DELETE FROM protocol
WHERE instance = $1 AND kind = $2 AND key IN (SELECT value FROM json_each($3))
