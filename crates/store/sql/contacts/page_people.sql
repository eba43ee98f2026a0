SELECT c.chat FROM contacts c
WHERE c.instance = $1 AND c.chat > $2
  AND (c.chat LIKE '%@s.whatsapp.net'
       OR c.chat LIKE '%@lid' AND NOT EXISTS (
           SELECT 1 FROM lid_map m
           WHERE m.instance = $1 AND m.lid = substr(c.chat, 1, length(c.chat) - 4)
             AND (EXISTS (SELECT 1 FROM contacts n
                          WHERE n.instance = $1 AND n.chat = m.phone || '@s.whatsapp.net')
                  OR EXISTS (SELECT 1 FROM lid_map o
                             JOIN contacts n ON n.instance = $1 AND n.chat = o.lid || '@lid'
                             WHERE o.instance = $1 AND o.phone = m.phone AND n.chat < c.chat))))
ORDER BY c.instance, c.chat LIMIT $3
