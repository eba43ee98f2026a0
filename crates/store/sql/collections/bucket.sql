SELECT pairs FROM mac_buckets WHERE instance = $1 AND name = $2 AND bucket = $3
