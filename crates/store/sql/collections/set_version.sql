INSERT INTO collections (instance, name, version, state, bucket_bits, macs) VALUES ($1, $2, $3, $4, 0, 0)
ON CONFLICT (instance, name) DO UPDATE SET version = excluded.version, state = excluded.state
