SELECT l.seq, l.at, l.seen_at, l.kind, l.origin, l.actor, l.chat_jid, l.label_id, l.label_name, l.body,
       l.chat, l.lid, l.message_id, l.cause, l.request_id
FROM json_each($8) k
CROSS JOIN log l INDEXED BY log_chat ON l.instance = $1 AND l.chat_jid = k.value AND l.seq > $2 AND l.seq <= $3
WHERE TRUE
  AND (CAST($4 AS TEXT) IS NULL OR l.kind IN (SELECT value FROM json_each($4)))
  AND (CAST($5 AS TEXT) IS NULL OR l.label_id IN (SELECT value FROM json_each($5)))
  AND (CAST($6 AS TEXT) IS NULL OR l.actor = $6)
ORDER BY l.seq LIMIT $7
