INSERT INTO chat_labels (instance, label_id, chat_jid, chat, labeled, changed_at)
SELECT $1, r.value ->> 0, r.value ->> 1, COALESCE(m.phone || '@s.whatsapp.net', r.value ->> 1),
       (r.value ->> 2)::integer = 1, (r.value ->> 3)::bigint
FROM json_array_elements($2::json) AS r (value)
LEFT JOIN lid_map m ON m.instance = $1 AND r.value ->> 1 = m.lid || '@lid'
ON CONFLICT (instance, label_id, chat_jid) DO UPDATE SET
    chat = excluded.chat, labeled = excluded.labeled, changed_at = excluded.changed_at
