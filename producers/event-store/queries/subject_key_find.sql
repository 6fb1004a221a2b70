-- The tenant's key of that name, which may be destroyed.
select key_id, subject, wrapped, master from find_subject_key($1, $2)
