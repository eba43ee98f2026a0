DELETE FROM label_orders WHERE instance = $1
