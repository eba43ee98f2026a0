SELECT seq FROM checkpoints WHERE instance = $1 ORDER BY seq
