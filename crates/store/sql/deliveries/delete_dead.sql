DELETE FROM deliveries WHERE delivery IN (
    SELECT delivery FROM deliveries WHERE state = 'dead' AND ended_at < $1 LIMIT $2)
