-- Destroys a data subject's key, or every subject's (null), audited.
select key_id from destroy_subject_keys($1, $2, $3, $4, $5, $6)
