DELETE FROM contacts WHERE instance = $1 AND chat IN (SELECT r.value ->> 0 FROM json_each($2) r)
