DELETE FROM snapshots WHERE snapshot_id IN (
    SELECT snapshot_id FROM snapshots WHERE instance = $1 AND actor = 'job'
    ORDER BY created_at DESC, snapshot_id DESC OFFSET $2)
