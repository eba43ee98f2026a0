UPDATE log SET
    chat_jid = COALESCE((SELECT r.value ->> 1 FROM json_each($2) r WHERE r.value ->> 0 = chat_jid), chat_jid),
    chat = COALESCE((SELECT r.value ->> 1 FROM json_each($2) r WHERE r.value ->> 0 = chat), chat),
    lid = COALESCE((SELECT r.value ->> 1 FROM json_each($2) r WHERE r.value ->> 0 = lid), lid)
WHERE instance = $1 AND chat_jid IN (SELECT r.value ->> 0 FROM json_each($2) r)
