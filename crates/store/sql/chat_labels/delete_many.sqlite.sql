DELETE FROM chat_labels
WHERE instance = $1 AND (label_id, chat_jid) IN (SELECT r.value ->> 0, r.value ->> 1 FROM json_each($2) r)
