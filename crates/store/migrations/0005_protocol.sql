-- The client library's own state behind its `Backend` traits, as key and value:
-- it is looked up by key only, and its shapes are the library's, not ours.
CREATE TABLE protocol (
    instance BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    kind     INTEGER NOT NULL,
    key      TEXT NOT NULL,
    value    BYTEA NOT NULL,
    -- Microseconds; what expiry and "latest" go by. 0 where neither applies.
    at       BIGINT NOT NULL,
    PRIMARY KEY (instance, kind, key)
) /*sqlite WITHOUT ROWID*/;
