SELECT COUNT(*) AS messages
FROM (SELECT DISTINCT chat, message_id FROM message_labels WHERE instance = $1 AND label_id = $2 AND labeled) m
