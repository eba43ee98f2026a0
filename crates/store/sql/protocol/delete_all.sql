DELETE FROM protocol WHERE instance = $1
