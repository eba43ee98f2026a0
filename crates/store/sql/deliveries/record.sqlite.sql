UPDATE deliveries SET
    state = r.value ->> 1, attempts = r.value ->> 2, due_at = r.value ->> 3, ended_at = r.value ->> 4,
    event = CASE WHEN r.value ->> 1 = 'done' OR (r.value ->> 1 = 'dead' AND kind = 'message.received') THEN NULL ELSE event END
FROM json_each($1) r WHERE deliveries.delivery = r.value ->> 0
