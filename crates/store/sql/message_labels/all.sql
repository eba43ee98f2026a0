SELECT label_id, chat_jid, message_id, labeled, changed_at FROM message_labels WHERE instance = $1
