-- Notes the backup that was made before a run.
select import_run_backed_up($1, $2, $3, $4)
