INSERT INTO snapshots (snapshot_id, instance, name, seq, created_at, actor, selection, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
