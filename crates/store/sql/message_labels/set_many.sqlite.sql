INSERT INTO message_labels (instance, label_id, chat_jid, chat, message_id, labeled, changed_at)
SELECT $1, r.value ->> 0, r.value ->> 1,
       COALESCE((SELECT m.phone || '@s.whatsapp.net' FROM lid_map m
                 WHERE m.instance = $1 AND (r.value ->> 1) LIKE '%@lid' AND m.lid = rtrim(r.value ->> 1, '@lid')),
                r.value ->> 1),
       r.value ->> 4, r.value ->> 2, r.value ->> 3
FROM json_each($2) r
WHERE TRUE
ON CONFLICT (instance, label_id, chat_jid, message_id) DO UPDATE SET
    chat = excluded.chat, labeled = excluded.labeled, changed_at = excluded.changed_at
