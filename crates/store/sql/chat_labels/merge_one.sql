UPDATE chat_labels SET chat = $3
WHERE instance = $1 AND chat_jid = $2 AND chat = $4
