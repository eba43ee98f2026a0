DELETE FROM idempotency
WHERE body IS NOT NULL AND encode(body, 'escape') LIKE $2
  AND token_id IN (
    SELECT t.token_id FROM tokens t JOIN instances i ON i.instance = $1 AND i.account_id = t.account_id)
