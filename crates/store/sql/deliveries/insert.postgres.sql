INSERT INTO deliveries (delivery, webhook_id, instance, seq, event_id, kind, lane, event, state, attempts, forgiven, due_at, created_at)
SELECT $1 + r.place - 1, r.value ->> 0, $2, (r.value ->> 1)::bigint, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5,
       'pending', 0, 0, $3, $3
FROM json_array_elements($4::json) WITH ORDINALITY AS r (value, place)
