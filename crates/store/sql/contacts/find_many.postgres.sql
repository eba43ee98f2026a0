SELECT c.chat, c.name, c.first_name, c.business_name, c.push_name, c.subject, c.named_at, c.updated_at
FROM json_array_elements_text($2::json) AS r (chat)
JOIN contacts c ON c.instance = $1 AND c.chat = r.chat
