SELECT seq, at, seen_at, kind, origin, actor, chat_jid, label_id, label_name, body,
       chat, lid, message_id, cause, request_id
FROM log WHERE instance = $1 AND seq > $2 ORDER BY seq LIMIT $3
