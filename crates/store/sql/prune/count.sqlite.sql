SELECT COUNT(*) AS seq FROM log WHERE instance = $1 AND seq <= $2 AND kind IN (SELECT value FROM json_each($3))
  AND seq NOT IN (SELECT d.seq FROM deliveries d WHERE d.state = 'pending' AND d.seq IS NOT NULL)
