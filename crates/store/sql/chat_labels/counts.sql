SELECT label_id, COUNT(DISTINCT chat) FROM chat_labels WHERE instance = $1 AND labeled GROUP BY label_id
