SELECT c.label_id, c.chat_jid, c.message_id, c.labeled, c.changed_at
FROM json_array_elements($2::json) AS r (value)
CROSS JOIN LATERAL (
    SELECT label_id, chat_jid, message_id, labeled, changed_at FROM message_labels
    WHERE instance = $1 AND label_id = r.value ->> 0 AND chat_jid = r.value ->> 1 AND message_id = r.value ->> 4
    OFFSET 0
) c
