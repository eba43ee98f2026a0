UPDATE deliveries SET event = $2 WHERE delivery = $1
