-- Tables and views of a schema, tables first.
select c.relname::text
from pg_class c
where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
order by c.relkind in ('v', 'm'), c.relname
