UPDATE instances SET label_id_floor = $2 WHERE instance = $1 AND label_id_floor < $2
