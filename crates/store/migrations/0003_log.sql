-- What happened, one row a fact, never changed.
CREATE TABLE log (
    seq        BIGINT NOT NULL PRIMARY KEY,
    instance   BIGINT NOT NULL,
    -- When it happened on WhatsApp, and when we saw it.
    at         BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    origin     TEXT NOT NULL,
    actor      TEXT,
    chat_jid   TEXT,
    label_id   TEXT,
    label_name TEXT,
    body       TEXT NOT NULL
);
CREATE INDEX log_instance ON log (instance, seq);

-- The state a first sync found, in parts; replay of the log starts from it.
CREATE TABLE baselines (
    baseline_id BIGINT NOT NULL,
    part        INTEGER NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (baseline_id, part)
);

INSERT INTO counters (name, value) VALUES ('log', 0), ('instance', 0);
