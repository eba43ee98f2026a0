SELECT c.label_id, c.chat_jid, c.message_id, c.labeled, c.changed_at
FROM json_each($2) r
CROSS JOIN message_labels c ON c.instance = $1 AND c.label_id = r.value ->> 0 AND c.chat_jid = r.value ->> 1
    AND c.message_id = r.value ->> 4
