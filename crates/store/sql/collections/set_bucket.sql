INSERT INTO mac_buckets (instance, name, bucket, pairs) VALUES ($1, $2, $3, $4)
ON CONFLICT (instance, name, bucket) DO UPDATE SET pairs = excluded.pairs
