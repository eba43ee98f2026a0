UPDATE instances
SET jid = COALESCE($2, jid), lid = COALESCE($3, lid), platform = COALESCE($4, platform),
    business_name = COALESCE($5, business_name), push_name = COALESCE($6, push_name)
WHERE instance = $1
