SELECT part, body FROM baselines WHERE baseline_id = $1 ORDER BY part
