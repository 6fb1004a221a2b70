-- The first of the store's roles that row level security does not hold.
select format('role %s is not held by row level security', r.rolname)
from pg_roles as r
where r.rolname in ('owner', 'app', 'cdc', 'auditor') and (r.rolsuper or r.rolbypassrls)
order by r.rolname
limit 1
