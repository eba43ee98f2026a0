SELECT c.chat, c.label_id, c.changed_at
FROM json_array_elements_text($2::json) AS r (chat)
CROSS JOIN LATERAL (
    SELECT chat, label_id, changed_at FROM chat_labels WHERE instance = $1 AND chat = r.chat AND labeled
    OFFSET 0
) c
ORDER BY c.chat, c.label_id
