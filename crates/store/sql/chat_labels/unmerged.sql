SELECT DISTINCT c.chat AS lid_jid, m.phone AS phone
FROM chat_labels c
JOIN lid_map m ON m.instance = c.instance AND m.lid || '@lid' = c.chat
WHERE c.instance = $1 AND c.chat LIKE '%@lid'
