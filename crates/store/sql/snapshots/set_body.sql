UPDATE snapshots SET body = $2 WHERE snapshot_id = $1
