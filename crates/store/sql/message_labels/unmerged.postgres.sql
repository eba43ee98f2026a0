SELECT c.chat AS lid_jid, m.phone
FROM (SELECT DISTINCT chat FROM message_labels WHERE instance = $1 AND chat LIKE '%@lid') c
CROSS JOIN LATERAL (
    SELECT phone FROM lid_map WHERE instance = $1 AND lid = split_part(c.chat, '@', 1) OFFSET 0
) m
