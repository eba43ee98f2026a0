SELECT instance, instance_id, account_id, name, wanted, state, reason, synced_at, jid, lid, platform, business_name, push_name, stopped_at
FROM instances
WHERE account_id = $1
ORDER BY name
