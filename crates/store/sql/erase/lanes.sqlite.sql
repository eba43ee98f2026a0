UPDATE deliveries SET lane = (SELECT r.value ->> 1 FROM json_each($2) r WHERE r.value ->> 0 = lane)
WHERE instance = $1 AND lane IN (SELECT r.value ->> 0 FROM json_each($2) r)
