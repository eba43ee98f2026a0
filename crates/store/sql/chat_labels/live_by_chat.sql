SELECT chat, label_id FROM chat_labels WHERE instance = $1 AND labeled ORDER BY instance, chat, label_id
