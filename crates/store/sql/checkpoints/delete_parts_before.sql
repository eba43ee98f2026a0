DELETE FROM baselines
WHERE baseline_id IN (SELECT seq FROM checkpoints WHERE instance = $1 AND seq < $2)
