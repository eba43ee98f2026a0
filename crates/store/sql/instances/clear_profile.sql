UPDATE instances
SET jid = NULL, lid = NULL, platform = NULL, business_name = NULL, push_name = NULL, synced_at = NULL
WHERE instance = $1
