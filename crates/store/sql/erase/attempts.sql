UPDATE attempts SET answer = NULL
WHERE answer LIKE $2 AND delivery IN (SELECT delivery FROM deliveries WHERE instance = $1)
