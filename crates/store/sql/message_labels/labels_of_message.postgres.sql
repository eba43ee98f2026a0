SELECT DISTINCT label_id FROM message_labels WHERE instance = $1 AND chat = $2 AND message_id = $3 AND labeled
