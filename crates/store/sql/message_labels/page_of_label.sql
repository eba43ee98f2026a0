SELECT chat, message_id, MAX(changed_at) AS changed_at FROM message_labels
WHERE instance = $1 AND label_id = $2 AND labeled AND (chat, message_id) > ($3, $4)
GROUP BY chat, message_id
ORDER BY chat, message_id LIMIT $5
