SELECT DISTINCT c.chat AS lid_jid, m.phone AS phone
FROM message_labels c
CROSS JOIN lid_map m ON m.instance = $1 AND m.lid = rtrim(c.chat, '@lid')
WHERE c.instance = $1 AND c.chat LIKE '%@lid'
