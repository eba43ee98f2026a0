DELETE FROM chat_labels WHERE instance = $1
