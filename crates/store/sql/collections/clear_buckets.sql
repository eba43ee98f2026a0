DELETE FROM mac_buckets WHERE instance = $1 AND name = $2
