-- Tables and views of a schema, tables first; what kind each is, and whether its rows say whose they are.
select c.relname::text as name,
       c.relkind::text as kind,
       exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) as has_tenant
from pg_class c
where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
order by c.relkind in ('v', 'm'), c.relname
