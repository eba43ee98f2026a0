SELECT COALESCE(MAX(seq), 0) AS seq FROM log WHERE instance = $1
