UPDATE instances SET state = $2, reason = $3 WHERE instance = $1
