INSERT INTO label_orders (instance, ids, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (instance) DO UPDATE SET ids = excluded.ids, changed_at = excluded.changed_at
