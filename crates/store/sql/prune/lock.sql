DELETE FROM log_unlocked
