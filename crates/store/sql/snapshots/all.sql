SELECT snapshot_id, name, seq, created_at, actor, selection FROM snapshots
WHERE instance = $1 ORDER BY created_at, snapshot_id
