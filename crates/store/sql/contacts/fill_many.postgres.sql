INSERT INTO contacts (instance, chat, name, first_name, business_name, push_name, subject, named_at, updated_at)
SELECT $1, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, 0, 0
FROM json_array_elements($2::json) AS r (value)
ON CONFLICT (instance, chat) DO UPDATE SET
    name = COALESCE(contacts.name, excluded.name),
    first_name = COALESCE(contacts.first_name, excluded.first_name),
    business_name = COALESCE(contacts.business_name, excluded.business_name),
    push_name = COALESCE(contacts.push_name, excluded.push_name),
    subject = COALESCE(contacts.subject, excluded.subject)
