DELETE FROM instances WHERE instance = $1
