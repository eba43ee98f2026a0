DELETE FROM message_labels WHERE instance = $1
