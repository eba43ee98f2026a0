-- Who may ask, and what is linked. Times are microseconds since 1970 UTC.
CREATE TABLE accounts (
    account_id TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT accounts_name_key UNIQUE (name)
);

CREATE TABLE instances (
    instance      BIGINT NOT NULL PRIMARY KEY,
    instance_id   TEXT NOT NULL,
    account_id    TEXT NOT NULL REFERENCES accounts (account_id),
    name          TEXT NOT NULL,
    -- Whether a client should run: set by connect, cleared by logout.
    wanted        BOOLEAN NOT NULL,
    state         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    -- When the first sync ended; NULL before.
    synced_at     BIGINT,
    jid           TEXT,
    lid           TEXT,
    platform      TEXT,
    business_name TEXT,
    push_name     TEXT,
    created_at    BIGINT NOT NULL,
    CONSTRAINT instances_id_key UNIQUE (instance_id),
    CONSTRAINT instances_name_key UNIQUE (account_id, name)
);

-- Only hashes; a token is shown once.
CREATE TABLE tokens (
    hash       BYTEA NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (account_id),
    -- NULL: an account token, good for all its instances.
    instance   BIGINT REFERENCES instances (instance) ON DELETE CASCADE,
    created_at BIGINT NOT NULL
);
CREATE INDEX tokens_instance ON tokens (instance);

-- Numbers handed out inside transactions: gap-free and in commit order.
CREATE TABLE counters (
    name  TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
