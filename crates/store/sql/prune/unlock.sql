INSERT INTO log_unlocked (unlocked) VALUES (1)
