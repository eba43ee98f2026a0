SELECT c.chat
FROM json_each($2) r
CROSS JOIN chat_labels c ON c.instance = $1 AND c.label_id = r.value AND c.labeled
LIMIT $3
