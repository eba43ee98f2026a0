SELECT b.baseline_id, b.part, b.body
FROM checkpoints c JOIN baselines b ON b.baseline_id = c.seq
WHERE c.instance = $1 AND (b.baseline_id, b.part) > ($2, $3)
ORDER BY b.baseline_id, b.part LIMIT 1
