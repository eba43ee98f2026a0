INSERT INTO baselines (baseline_id, part, body) VALUES ($1, $2, $3)
