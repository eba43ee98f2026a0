-- Labels on messages: one row a record, as in `chat_labels`.
CREATE TABLE message_labels (
    instance   BIGINT NOT NULL,
    label_id   TEXT NOT NULL,
    chat_jid   TEXT NOT NULL,
    chat       TEXT /*postgres COLLATE "C"*/ NOT NULL,
    message_id TEXT /*postgres COLLATE "C"*/ NOT NULL,
    labeled    BOOLEAN NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (instance, label_id, chat_jid, message_id)
) /*sqlite WITHOUT ROWID*/;
-- Messages of a label, page by page, and labels of a message.
CREATE INDEX message_labels_label ON message_labels (instance, label_id, chat, message_id);
CREATE INDEX message_labels_message ON message_labels (instance, chat, message_id);

-- The account's order of labels: a JSON array of ids, first one first.
CREATE TABLE label_orders (
    instance   BIGINT NOT NULL PRIMARY KEY REFERENCES instances (instance) ON DELETE CASCADE,
    ids        TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
