-- What chats are called, under the JID each name was learned under: a number, a
-- LID, a group or a channel. NULL: never told; an empty text: has none any more.
CREATE TABLE contacts (
    instance      BIGINT NOT NULL REFERENCES instances (instance) ON DELETE CASCADE,
    chat          TEXT /*postgres COLLATE "C"*/ NOT NULL,
    name          TEXT,
    first_name    TEXT,
    business_name TEXT,
    push_name     TEXT,
    subject       TEXT,
    -- Microseconds when `name` was told, and when anything was; 0 where only history told.
    named_at      BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (instance, chat)
) /*sqlite WITHOUT ROWID*/;
