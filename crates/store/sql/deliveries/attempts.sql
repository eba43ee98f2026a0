SELECT delivery, attempt, at, status, ms, answer, error FROM attempts WHERE delivery = $1 ORDER BY attempt
