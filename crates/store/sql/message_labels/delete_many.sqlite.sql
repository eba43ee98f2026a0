DELETE FROM message_labels
WHERE instance = $1
  AND (label_id, chat_jid, message_id) IN (SELECT r.value ->> 0, r.value ->> 1, r.value ->> 4 FROM json_each($2) r)
