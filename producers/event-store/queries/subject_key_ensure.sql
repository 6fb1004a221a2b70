-- The data subject's key, made if it is missing.
select key_id, subject, wrapped, master from ensure_subject_key($1, $2, $3, $4, $5)
