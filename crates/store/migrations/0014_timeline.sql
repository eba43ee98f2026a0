-- Which rows of history a whole state is stored for, in `baselines` under the row's
-- number: what a first sync found, and what the rows up to there come to.
CREATE TABLE checkpoints (
    instance BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    -- When the row was seen; of a cut, when it was made for.
    seen_at  BIGINT NOT NULL,
    -- Rows of before may be gone: no state before it can be told any more.
    cut      BOOLEAN NOT NULL,
    PRIMARY KEY (instance, seq)
);
INSERT INTO checkpoints (instance, seq, seen_at, cut)
SELECT instance, seq, seen_at, FALSE FROM log WHERE kind = 'instance.synced';
