SELECT DISTINCT COALESCE(m.phone || '@s.whatsapp.net', l.chat_jid) AS chat
FROM log l
LEFT JOIN lid_map m ON m.instance = l.instance AND l.chat_jid LIKE '%@lid' AND m.lid = rtrim(l.chat_jid, '@lid')
WHERE l.instance = $1 AND l.seq > $2 AND l.chat_jid IS NOT NULL
LIMIT $3
