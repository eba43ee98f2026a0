DELETE FROM mac_buckets WHERE instance = $1
