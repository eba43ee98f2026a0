DELETE FROM collections WHERE instance = $1
