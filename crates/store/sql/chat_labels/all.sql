SELECT label_id, chat_jid, labeled, changed_at FROM chat_labels WHERE instance = $1
