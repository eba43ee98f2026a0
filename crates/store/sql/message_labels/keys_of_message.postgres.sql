SELECT label_id, chat_jid, message_id, labeled, changed_at FROM message_labels
WHERE instance = $1 AND chat = $2 AND message_id = $3 AND label_id = $4
ORDER BY labeled DESC, changed_at DESC
