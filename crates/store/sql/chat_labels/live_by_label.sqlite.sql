SELECT chat, label_id FROM chat_labels
WHERE instance = $1 AND labeled
  AND chat IN (SELECT f.chat FROM json_each($2) r CROSS JOIN chat_labels f
               ON f.instance = $1 AND f.label_id = r.value AND f.labeled)
ORDER BY chat, label_id
