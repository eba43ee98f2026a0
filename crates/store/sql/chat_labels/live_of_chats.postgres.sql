SELECT chat, label_id FROM chat_labels
WHERE instance = $1 AND labeled AND chat IN (SELECT json_array_elements_text($2::json))
ORDER BY chat, label_id
