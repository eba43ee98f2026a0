SELECT version, state, bucket_bits, macs FROM collections WHERE instance = $1 AND name = $2
