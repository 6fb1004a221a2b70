-- Notes how far a run has come.
select import_run_note($1, $2, $3, $4)
