-- The mirror of WhatsApp's `regular` collection, and the base it was read at.
-- A comment that begins with an engine's name is live on that engine.
CREATE TABLE labels (
    instance      BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    label_id      TEXT NOT NULL,
    name          TEXT NOT NULL,
    color         INTEGER NOT NULL,
    deleted       BOOLEAN NOT NULL,
    predefined_id INTEGER,
    order_index   INTEGER,
    list_type     INTEGER,
    is_active     BOOLEAN,
    is_immutable  BOOLEAN,
    mute_end_ms   BIGINT,
    changed_at    BIGINT NOT NULL,
    PRIMARY KEY (instance, label_id)
) /*sqlite WITHOUT ROWID*/;

-- One row a record, under the key WhatsApp uses (`chat_jid`); `chat` is the same
-- chat's one shown name: the phone number's where the LID map knows it.
-- Records are never pruned, because WhatsApp does not prune them.
CREATE TABLE chat_labels (
    instance   BIGINT NOT NULL,
    label_id   TEXT NOT NULL,
    chat_jid   TEXT NOT NULL,
    chat       TEXT /*postgres COLLATE "C"*/ NOT NULL,
    labeled    BOOLEAN NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (instance, label_id, chat_jid)
) /*sqlite WITHOUT ROWID*/;
-- Covers both "all chats with their labels, in order" and "labels of one chat".
CREATE INDEX chat_labels_chat ON chat_labels (instance, chat, label_id, labeled);

-- LID and phone number of one person, digits only, as the client library learns them.
CREATE TABLE lid_map (
    instance        BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    lid             TEXT NOT NULL,
    phone           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    learning_source TEXT NOT NULL,
    PRIMARY KEY (instance, lid)
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX lid_map_phone ON lid_map (instance, phone);

-- Version and LT-hash of every app-state collection. For `regular` it is written
-- in the transaction that writes the mirror, so the two can never disagree.
CREATE TABLE collections (
    instance    BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    version     BIGINT NOT NULL,
    state       BYTEA NOT NULL,
    -- MACs lie in 2^bucket_bits rows of mac_buckets, by the first bits of the index MAC.
    bucket_bits INTEGER NOT NULL,
    macs        BIGINT NOT NULL,
    PRIMARY KEY (instance, name)
);

-- Packed (index MAC, value MAC) pairs, 64 bytes each, sorted. A row a pair would
-- make the first sync of a large account pay for 100,000 of them.
CREATE TABLE mac_buckets (
    instance BIGINT NOT NULL,
    name     TEXT NOT NULL,
    bucket   BIGINT NOT NULL,
    pairs    BYTEA NOT NULL,
    PRIMARY KEY (instance, name, bucket)
);
