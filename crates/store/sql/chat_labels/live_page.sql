SELECT chat, label_id FROM chat_labels
WHERE instance = $1 AND labeled AND chat > $2
ORDER BY instance, chat, label_id LIMIT $3
