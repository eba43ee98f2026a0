SELECT seq, seen_at FROM checkpoints WHERE instance = $1 AND cut ORDER BY seq DESC LIMIT 1
