SELECT COALESCE(MAX(seq), 0) AS seq FROM checkpoints WHERE instance = $1 AND seq <= $2
