INSERT INTO collections (instance, name, version, state, bucket_bits, macs) VALUES ($1, $2, 0, $3, $4, $5)
ON CONFLICT (instance, name) DO UPDATE SET bucket_bits = excluded.bucket_bits, macs = excluded.macs
