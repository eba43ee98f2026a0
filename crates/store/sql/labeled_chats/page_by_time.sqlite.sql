SELECT c.chat AS chat, MAX(c.changed_at) AS labeled_at
FROM json_each($2) r
CROSS JOIN chat_labels c ON c.instance = $1 AND c.label_id = r.value AND c.labeled
GROUP BY c.chat
HAVING ($3 * MAX(c.changed_at), c.chat) > ($4, $5)
ORDER BY $3 * MAX(c.changed_at), c.chat LIMIT $6
