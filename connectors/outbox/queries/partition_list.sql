-- Partitions of the outbox, oldest first, and former ones that were detached but not dropped.
select
    c.relname::text as "table",
    i.inhparent is not null as attached,
    coalesce(i.inhdetachpending, false) as half_detached
from pg_class as c
left join pg_inherits as i on i.inhrelid = c.oid and i.inhparent = 'public.outbox'::regclass
where c.relnamespace = 'public'::regnamespace
    and c.relkind = 'r'
    and c.relname ~ '^outbox_[0-9]{8}$'
order by c.relname
