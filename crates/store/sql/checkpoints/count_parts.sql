SELECT COUNT(*) AS seq FROM baselines WHERE baseline_id = $1
