-- Whether analysts may read anything of a table or view; null where there is none.
select has_any_column_privilege('analyst', to_regclass($1)::oid, 'select')
