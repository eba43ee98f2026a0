SELECT snapshot_id, name, seq, created_at, actor, selection FROM snapshots
WHERE instance = $1 AND snapshot_id = $2
