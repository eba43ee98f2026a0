DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE instance = $1 AND seq <= $2 AND kind IN (SELECT value FROM json_array_elements_text(CAST($3 AS JSON)) AS r (value))
  AND seq NOT IN (SELECT d.seq FROM deliveries d WHERE d.state = 'pending' AND d.seq IS NOT NULL)
  ORDER BY seq LIMIT $4)
