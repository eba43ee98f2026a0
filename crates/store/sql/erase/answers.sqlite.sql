DELETE FROM idempotency
WHERE body IS NOT NULL AND CAST(body AS TEXT) LIKE $2
  AND token_id IN (
    SELECT t.token_id FROM tokens t JOIN instances i ON i.instance = $1 AND i.account_id = t.account_id)
