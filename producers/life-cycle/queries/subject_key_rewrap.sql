-- Keys of a tenant under another master key; how many there were.
select rewrap_subject_keys($1, $2, $3, $4, $5, $6, $7)
