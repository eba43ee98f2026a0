SELECT c.chat, c.label_id
FROM (
    SELECT DISTINCT f.chat FROM chat_labels f
    WHERE f.instance = $1 AND f.labeled AND f.label_id IN (SELECT json_array_elements_text($2::json))
) asked
CROSS JOIN LATERAL (
    SELECT chat, label_id FROM chat_labels WHERE instance = $1 AND chat = asked.chat AND labeled
    OFFSET 0
) c
ORDER BY c.chat, c.label_id
