UPDATE message_labels SET chat = $2
WHERE instance = $1 AND chat = $3 AND chat_jid = $3
