-- The first table with tenants whose rows are not kept apart, even from its owner.
select format('table %s %s', c.relname, case
    when not c.relrowsecurity then 'has no row level security'
    when not c.relforcerowsecurity then 'does not force row level security'
    else 'has no policy' end)
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
    and (not c.relrowsecurity or not c.relforcerowsecurity
        or (not c.relispartition and not exists (select from pg_policy as p where p.polrelid = c.oid)))
order by c.relname
limit 1
