SELECT snapshot_id AS id, body FROM snapshots WHERE instance = $1 AND body LIKE $2
