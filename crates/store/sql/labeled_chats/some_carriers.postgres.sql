SELECT c.chat
FROM json_array_elements_text($2::json) AS r (label_id)
CROSS JOIN LATERAL (
    SELECT chat FROM chat_labels WHERE instance = $1 AND label_id = r.label_id AND labeled
    OFFSET 0
) c
LIMIT $3
