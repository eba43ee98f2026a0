SELECT seq, at, seen_at, kind, origin, actor, chat_jid, label_id, label_name, body,
       chat, lid, message_id, cause, request_id
FROM log WHERE seq IN (SELECT r.seq::bigint FROM json_array_elements_text($1::json) AS r (seq))
ORDER BY seq
