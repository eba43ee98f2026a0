INSERT INTO log (seq, instance, at, seen_at, kind, origin, actor, chat_jid, label_id, label_name, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
