DROP TRIGGER log_no_delete;
DROP TRIGGER log_no_update;
CREATE TRIGGER log_no_update BEFORE UPDATE ON log
WHEN NOT EXISTS (SELECT 1 FROM log_unlocked)
BEGIN SELECT RAISE(ABORT, 'log is append-only'); END;
CREATE TRIGGER log_no_delete BEFORE DELETE ON log
WHEN NOT EXISTS (SELECT 1 FROM log_unlocked)
BEGIN SELECT RAISE(ABORT, 'log is append-only'); END;
