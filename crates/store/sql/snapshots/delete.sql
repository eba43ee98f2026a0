DELETE FROM snapshots WHERE instance = $1 AND snapshot_id = $2
