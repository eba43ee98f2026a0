UPDATE deliveries SET state = 'pending', forgiven = attempts, due_at = $5, ended_at = NULL
WHERE webhook_id = $1 AND state <> 'pending' AND (CAST($2 AS TEXT) IS NULL OR state = $2)
  AND delivery BETWEEN $3 AND $4 AND (seq IS NOT NULL OR event IS NOT NULL)
