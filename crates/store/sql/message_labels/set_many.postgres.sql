INSERT INTO message_labels (instance, label_id, chat_jid, chat, message_id, labeled, changed_at)
SELECT $1, r.value ->> 0, r.value ->> 1,
       COALESCE(CASE WHEN r.value ->> 1 LIKE '%@lid' THEN
           (SELECT m.phone || '@s.whatsapp.net' FROM lid_map m
            WHERE m.instance = $1 AND m.lid = split_part(r.value ->> 1, '@', 1) OFFSET 0) END,
           r.value ->> 1),
       r.value ->> 4, (r.value ->> 2)::integer = 1, (r.value ->> 3)::bigint
FROM json_array_elements($2::json) AS r (value)
ON CONFLICT (instance, label_id, chat_jid, message_id) DO UPDATE SET
    chat = excluded.chat, labeled = excluded.labeled, changed_at = excluded.changed_at
