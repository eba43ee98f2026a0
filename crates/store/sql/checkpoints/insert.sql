INSERT INTO checkpoints (instance, seq, seen_at, cut) VALUES ($1, $2, $3, $4)
ON CONFLICT (instance, seq) DO UPDATE SET seen_at = excluded.seen_at, cut = excluded.cut OR checkpoints.cut
