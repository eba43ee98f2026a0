SELECT label_id, chat_jid, labeled, changed_at FROM chat_labels
WHERE instance = $1 AND chat = $2 AND label_id = $3
ORDER BY labeled DESC, changed_at DESC
