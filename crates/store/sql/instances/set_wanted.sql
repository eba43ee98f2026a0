UPDATE instances SET wanted = $2 WHERE instance = $1
