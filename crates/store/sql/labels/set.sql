INSERT INTO labels (instance, label_id, name, color, deleted, predefined_id, order_index, list_type, is_active, is_immutable, mute_end_ms, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (instance, label_id) DO UPDATE SET
    name = excluded.name, color = excluded.color, deleted = excluded.deleted, predefined_id = excluded.predefined_id,
    order_index = excluded.order_index, list_type = excluded.list_type, is_active = excluded.is_active,
    is_immutable = excluded.is_immutable, mute_end_ms = excluded.mute_end_ms, changed_at = excluded.changed_at
