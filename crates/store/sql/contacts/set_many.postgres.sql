INSERT INTO contacts (instance, chat, name, first_name, business_name, push_name, subject, named_at, updated_at)
SELECT $1, r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5,
       CASE WHEN r.value ->> 1 IS NULL THEN 0 ELSE $3::bigint END, $3::bigint
FROM json_array_elements($2::json) AS r (value)
ON CONFLICT (instance, chat) DO UPDATE SET
    name = COALESCE(excluded.name, contacts.name),
    first_name = COALESCE(excluded.first_name, contacts.first_name),
    business_name = COALESCE(excluded.business_name, contacts.business_name),
    push_name = COALESCE(excluded.push_name, contacts.push_name),
    subject = COALESCE(excluded.subject, contacts.subject),
    named_at = CASE WHEN excluded.name IS NULL THEN contacts.named_at ELSE excluded.named_at END,
    updated_at = excluded.updated_at
