SELECT c.chat, c.name, c.first_name, c.business_name, c.push_name, c.subject, c.named_at, c.updated_at
FROM json_array_elements_text($2::json) AS r (chat)
CROSS JOIN LATERAL (
    SELECT chat, name, first_name, business_name, push_name, subject, named_at, updated_at
    FROM contacts WHERE instance = $1 AND chat = r.chat
    OFFSET 0
) c
