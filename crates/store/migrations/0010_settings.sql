-- What callers set on an instance, one row a field: two who set different fields
-- at once both have their way.
CREATE TABLE instance_settings (
    instance BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    -- `<group>.<field>`.
    name     TEXT NOT NULL,
    -- JSON.
    value    TEXT NOT NULL,
    PRIMARY KEY (instance, name)
);
