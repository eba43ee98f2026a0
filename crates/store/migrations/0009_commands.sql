-- What the API was asked to write, from before it was sent until it is known to be
-- done or not: a row that is `pending` after a crash is settled by looking.
CREATE TABLE commands (
    command_id      TEXT NOT NULL PRIMARY KEY,
    instance        BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    kind            TEXT NOT NULL,
    -- The intent as JSON, with the label id it was given.
    body            TEXT NOT NULL,
    state           TEXT NOT NULL,
    error           TEXT,
    actor           TEXT NOT NULL,
    idempotency_key TEXT,
    created_at      BIGINT NOT NULL,
    finished_at     BIGINT
);
CREATE INDEX commands_pending ON commands (instance, created_at) WHERE state = 'pending';
CREATE INDEX commands_idempotency ON commands (instance, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The highest label id ever given out; ids are never given twice, not even where a
-- create failed half way.
ALTER TABLE instances ADD COLUMN label_id_floor BIGINT NOT NULL DEFAULT 0;
