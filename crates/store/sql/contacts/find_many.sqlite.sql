SELECT c.chat, c.name, c.first_name, c.business_name, c.push_name, c.subject, c.named_at, c.updated_at
FROM json_each($2) r CROSS JOIN contacts c ON c.instance = $1 AND c.chat = r.value
