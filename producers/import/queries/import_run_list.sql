-- The runs of a tenant, the newest first.
select * from read_import_runs($1)
