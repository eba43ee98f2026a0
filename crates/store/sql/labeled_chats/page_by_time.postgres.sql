SELECT c.chat AS chat, MAX(c.changed_at) AS labeled_at
FROM json_array_elements_text($2::json) AS r (label_id)
CROSS JOIN LATERAL (
    SELECT chat, changed_at FROM chat_labels WHERE instance = $1 AND label_id = r.label_id AND labeled
    OFFSET 0
) c
GROUP BY c.chat
HAVING ($3::bigint * MAX(c.changed_at), c.chat) > ($4, $5)
ORDER BY $3::bigint * MAX(c.changed_at), c.chat LIMIT $6
