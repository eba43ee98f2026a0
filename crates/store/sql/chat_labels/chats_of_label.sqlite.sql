SELECT DISTINCT +chat FROM chat_labels WHERE instance = $1 AND label_id = $2 AND labeled LIMIT $3
