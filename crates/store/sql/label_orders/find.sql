SELECT ids, changed_at FROM label_orders WHERE instance = $1
