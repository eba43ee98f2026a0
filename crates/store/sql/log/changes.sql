SELECT kind, at, label_id, chat_jid, message_id, CASE WHEN kind LIKE 'label%' THEN body END AS body
FROM log
WHERE instance = $1 AND seq > $2 AND seq <= $3
  AND kind IN ('chat.labeled', 'chat.unlabeled', 'label.created', 'label.changed', 'label.deleted',
               'labels.reordered', 'message.labeled', 'message.unlabeled')
ORDER BY seq
