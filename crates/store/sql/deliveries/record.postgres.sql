UPDATE deliveries SET
    state = r.value ->> 1, attempts = (r.value ->> 2)::integer, due_at = (r.value ->> 3)::bigint,
    ended_at = (r.value ->> 4)::bigint,
    event = CASE WHEN r.value ->> 1 = 'done' OR (r.value ->> 1 = 'dead' AND kind = 'message.received') THEN NULL ELSE event END
FROM json_array_elements($1::json) AS r (value) WHERE deliveries.delivery = (r.value ->> 0)::bigint
