UPDATE instances SET stopped_at = $2 WHERE instance = $1
