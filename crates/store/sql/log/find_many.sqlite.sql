SELECT seq, at, seen_at, kind, origin, actor, chat_jid, label_id, label_name, body,
       chat, lid, message_id, cause, request_id
FROM json_each($1) r CROSS JOIN log ON log.seq = r.value
ORDER BY seq
