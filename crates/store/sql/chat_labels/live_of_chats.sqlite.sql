SELECT chat, label_id FROM json_each($2) r CROSS JOIN chat_labels c INDEXED BY chat_labels_chat ON c.instance = $1 AND c.chat = r.value AND c.labeled
ORDER BY chat, label_id
