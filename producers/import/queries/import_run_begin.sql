-- Begins a run of an import, or goes on with the one that did not end.
select * from import_run_begin($1, $2, $3, $4, $5, $6)
