UPDATE baselines SET body = $3 WHERE baseline_id = $1 AND part = $2
