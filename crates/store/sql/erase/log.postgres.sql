UPDATE log SET
    chat_jid = COALESCE((SELECT r.value ->> 1 FROM json_array_elements(CAST($2 AS JSON)) AS r (value) WHERE r.value ->> 0 = chat_jid), chat_jid),
    chat = COALESCE((SELECT r.value ->> 1 FROM json_array_elements(CAST($2 AS JSON)) AS r (value) WHERE r.value ->> 0 = chat), chat),
    lid = COALESCE((SELECT r.value ->> 1 FROM json_array_elements(CAST($2 AS JSON)) AS r (value) WHERE r.value ->> 0 = lid), lid)
WHERE instance = $1 AND chat_jid IN (SELECT r.value ->> 0 FROM json_array_elements(CAST($2 AS JSON)) AS r (value))
