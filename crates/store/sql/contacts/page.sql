SELECT chat FROM contacts
WHERE instance = $1 AND chat > $2
ORDER BY instance, chat LIMIT $3
