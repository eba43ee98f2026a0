UPDATE instances SET synced_at = $2 WHERE instance = $1
