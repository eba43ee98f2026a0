DELETE FROM contacts WHERE instance = $1
