-- The aggregates that a run made, and where they stand.
select * from read_import_aggregates($1, $2)
