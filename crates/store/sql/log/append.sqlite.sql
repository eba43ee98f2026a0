INSERT INTO log (seq, instance, at, seen_at, kind, origin, actor, chat_jid, label_id, label_name, body,
    chat, lid, message_id, cause, request_id)
SELECT $1 + r.key, $2, r.value ->> 0, $3, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4,
       r.value ->> 5, r.value ->> 6, r.value ->> 7, r.value ->> 8, r.value ->> 9, r.value ->> 10,
       r.value ->> 11, r.value ->> 12
FROM json_each($4) r
