-- Says that a run is being rolled back, or has been.
select import_run_roll_back($1, $2, $3, $4, $5, $6)
