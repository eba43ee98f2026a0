-- A token has a public id, a name, scopes and an end; its secrets stand apart,
-- because after a rotation two of them are good for a while.
CREATE TABLE old_tokens AS
SELECT hash, account_id, instance, created_at,
       CAST(row_number() OVER (ORDER BY created_at, hash) AS TEXT) AS number
FROM tokens;
DROP TABLE tokens;

CREATE TABLE tokens (
    token_id     TEXT NOT NULL PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES accounts (account_id),
    -- NULL: an account token, good for all its instances.
    instance     BIGINT REFERENCES instances (instance) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    -- Words with blanks between them.
    scopes       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    -- Kept for history, which names tokens by their id.
    revoked_at   BIGINT
);
CREATE INDEX tokens_account ON tokens (account_id);
CREATE INDEX tokens_instance ON tokens (instance);

-- Only hashes; a token's text is shown once.
CREATE TABLE token_secrets (
    hash        BYTEA NOT NULL PRIMARY KEY,
    token_id    TEXT NOT NULL REFERENCES tokens (token_id) ON DELETE CASCADE,
    -- The end of the grace period after a rotation; NULL: as long as the token.
    valid_until BIGINT
);
CREATE INDEX token_secrets_token ON token_secrets (token_id);

-- The id is a number here, not a piece of the hash: ids are shown.
INSERT INTO tokens (token_id, account_id, instance, name, scopes, created_at)
SELECT 'tok_' || substr('00000000000000000000000000' || number, length(number) + 1),
       account_id, instance,
       CASE WHEN instance IS NULL THEN 'account' ELSE 'instance' END,
       'read label send admin', created_at
FROM old_tokens;
INSERT INTO token_secrets (hash, token_id)
SELECT hash, 'tok_' || substr('00000000000000000000000000' || number, length(number) + 1)
FROM old_tokens;
DROP TABLE old_tokens;

-- Writes that carried an `Idempotency-Key`, and what was answered.
CREATE TABLE idempotency (
    token_id    TEXT NOT NULL REFERENCES tokens (token_id) ON DELETE CASCADE,
    key         TEXT NOT NULL,
    -- SHA-256 of method, path with query, and body.
    fingerprint BYTEA NOT NULL,
    -- The run of the program that answers it: one of an earlier run died with it.
    run         BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    -- The answer; NULL while there is none.
    status      INTEGER,
    -- JSON: pairs of name and value.
    headers     TEXT,
    body        BYTEA,
    PRIMARY KEY (token_id, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);
INSERT INTO counters (name, value) VALUES ('runs', 0);
