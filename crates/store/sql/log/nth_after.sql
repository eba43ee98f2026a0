SELECT seq, seen_at FROM log WHERE instance = $1 AND seq > $2 ORDER BY seq LIMIT 1 OFFSET $3
