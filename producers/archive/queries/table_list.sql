-- Tables with rows of their own, whether this role sees every row of them, and which tables they refer to.
select
    c.relname::text as name,
    has_table_privilege(c.oid, 'select') and (not c.relrowsecurity or exists (
        select from pg_policy as p
        where p.polrelid = c.oid and p.polcmd in ('r', '*') and current_user::regrole::oid = any (p.polroles)
            and pg_get_expr(p.polqual, p.polrelid) = 'true')) as readable,
    array(
        select f.confrelid::regclass::text from pg_constraint as f
        where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid) as after,
    array(
        select a.attname::text from pg_attribute as a where a.attrelid = c.oid and a.attidentity <> '') as identities,
    exists (
        select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    ) as of_tenants
from pg_class as c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by c.relname
