-- Who a chat was known as, which message it was about, and which command and
-- request are behind a change.
ALTER TABLE log ADD COLUMN chat TEXT;
ALTER TABLE log ADD COLUMN lid TEXT;
ALTER TABLE log ADD COLUMN message_id TEXT;
ALTER TABLE log ADD COLUMN cause TEXT;
ALTER TABLE log ADD COLUMN request_id TEXT;
-- The story of one chat, under each of its keys.
CREATE INDEX log_chat ON log (instance, chat_jid, seq);

-- While a row is here, history may be dropped: `prune` and the erasure of a contact
-- put one and take it away in the same transaction.
CREATE TABLE log_unlocked (unlocked INTEGER NOT NULL PRIMARY KEY);

-- A destination of events; `config` is JSON.
CREATE TABLE webhooks (
    webhook_id TEXT NOT NULL PRIMARY KEY,
    instance   BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    dialect    TEXT NOT NULL,
    -- Unique within instance and dialect.
    name       TEXT NOT NULL,
    enabled    BOOLEAN NOT NULL,
    -- Why it is off, where the gateway switched it off.
    reason     TEXT,
    config     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT webhooks_name_key UNIQUE (instance, dialect, name)
);

-- One row for each event and destination, written in the transaction of the change.
CREATE TABLE deliveries (
    delivery   BIGINT NOT NULL PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhooks (webhook_id) ON DELETE CASCADE,
    instance   BIGINT NOT NULL,
    -- The log's row, or none for what is told and not kept: its event is in `event`
    -- until it has arrived.
    seq        BIGINT,
    event_id   TEXT NOT NULL,
    kind       TEXT NOT NULL,
    -- What deliveries are in order by: the chat's shown name, or the label's id.
    lane       TEXT NOT NULL,
    event      TEXT,
    -- `pending`, `done`, `dead`.
    state      TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    -- Tries made before it was last replayed: those do not count any more.
    forgiven   INTEGER NOT NULL,
    -- Not before.
    due_at     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at   BIGINT
);
CREATE INDEX deliveries_pending ON deliveries (webhook_id, delivery) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON deliveries (webhook_id, delivery) WHERE state = 'dead';
CREATE INDEX deliveries_webhook ON deliveries (webhook_id, delivery);
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state = 'done';

-- Every try of every delivery.
CREATE TABLE attempts (
    delivery BIGINT NOT NULL REFERENCES deliveries (delivery) ON DELETE CASCADE,
    attempt  INTEGER NOT NULL,
    at       BIGINT NOT NULL,
    -- The answer's status and first bytes, or why there was none.
    status   INTEGER,
    ms       BIGINT NOT NULL,
    answer   TEXT,
    error    TEXT,
    PRIMARY KEY (delivery, attempt)
);

-- A named state of labels: a place of the log, and what was asked of it then.
CREATE TABLE snapshots (
    snapshot_id TEXT NOT NULL PRIMARY KEY,
    instance    BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    seq         BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    -- Who made it; `job` where a schedule did.
    actor       TEXT,
    -- The selection and what it held, as JSON.
    selection   TEXT NOT NULL,
    body        TEXT NOT NULL
);
CREATE INDEX snapshots_instance ON snapshots (instance, created_at);

INSERT INTO counters (name, value) VALUES ('delivery', 0);
