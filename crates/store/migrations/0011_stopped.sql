-- When a caller stopped the instance's client; NULL where it may run. A stopped
-- one keeps its pairing and is not resumed at start.
ALTER TABLE instances ADD COLUMN stopped_at BIGINT;
