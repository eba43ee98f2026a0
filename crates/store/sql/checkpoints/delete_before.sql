DELETE FROM checkpoints WHERE instance = $1 AND seq < $2
