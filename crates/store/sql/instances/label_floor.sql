SELECT label_id_floor FROM instances WHERE instance = $1
