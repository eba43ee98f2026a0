SELECT c.chat, c.label_id, c.chat_jid, c.labeled, c.changed_at
FROM json_array_elements_text($2::json) AS r (chat)
CROSS JOIN LATERAL (
    SELECT chat, label_id, chat_jid, labeled, changed_at FROM chat_labels WHERE instance = $1 AND chat = r.chat
    OFFSET 0
) c
