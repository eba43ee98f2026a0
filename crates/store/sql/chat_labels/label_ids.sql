WITH RECURSIVE ids (label_id) AS (
    SELECT MIN(label_id) FROM chat_labels WHERE instance = $1
    UNION ALL
    SELECT (SELECT MIN(c.label_id) FROM chat_labels c WHERE c.instance = $1 AND c.label_id > ids.label_id)
    FROM ids WHERE ids.label_id IS NOT NULL
)
SELECT label_id FROM ids WHERE label_id IS NOT NULL
