DELETE FROM baselines
WHERE baseline_id IN (SELECT seq FROM log WHERE instance = $1 AND kind = 'instance.synced')
