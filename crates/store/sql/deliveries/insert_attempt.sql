INSERT INTO attempts (delivery, attempt, at, status, ms, answer, error) VALUES ($1, $2, $3, $4, $5, $6, $7)
