DELETE FROM labels WHERE instance = $1
