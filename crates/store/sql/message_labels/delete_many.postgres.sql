DELETE FROM message_labels d
USING json_array_elements($2::json) AS r (value)
WHERE d.instance = $1 AND d.label_id = r.value ->> 0 AND d.chat_jid = r.value ->> 1 AND d.message_id = r.value ->> 4
