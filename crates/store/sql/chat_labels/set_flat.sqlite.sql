INSERT INTO chat_labels (instance, label_id, chat_jid, chat, labeled, changed_at)
SELECT $1, r.label_id, r.chat_jid,
       COALESCE((SELECT m.phone || '@s.whatsapp.net' FROM lid_map m
                 WHERE m.instance = $1 AND r.chat_jid LIKE '%@lid' AND m.lid = rtrim(r.chat_jid, '@lid')),
                r.chat_jid),
       r.labeled, r.changed_at
FROM (
    SELECT substr(value, 21, substr(value, 19, 2)) AS label_id,
           substr(value, 21 + substr(value, 19, 2)) AS chat_jid,
           substr(value, 1, 1) + 0 AS labeled,
           substr(value, 2, 17) + 0 AS changed_at
    FROM json_each($2)
    LIMIT -1
) r
WHERE TRUE
ON CONFLICT (instance, label_id, chat_jid) DO UPDATE SET
    chat = excluded.chat, labeled = excluded.labeled, changed_at = excluded.changed_at
