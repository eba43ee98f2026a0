SELECT label_id, name, color, deleted, predefined_id, order_index, list_type, is_active, is_immutable, mute_end_ms, changed_at
FROM labels WHERE instance = $1
