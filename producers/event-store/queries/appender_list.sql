-- Transactions that have announced an append and are still open; a prepared one has a name instead of a process.
select distinct l.pid, p.gid, a.backend_start, a.xact_start, coalesce(a.application_name, '') as application_name,
    case when l.pid is null then 'prepared' else coalesce(a.state, 'hidden') end as state
from pg_locks as l
left join pg_stat_activity as a on a.pid = l.pid
left join pg_prepared_xacts as p on l.pid is null and l.virtualtransaction = '-1/' || p.transaction::text
where l.locktype = 'advisory' and l.objsubid = 2 and l.classid::bigint = x'4d52'::bigint and l.granted
    and l.database = (select d.oid from pg_database as d where d.datname = current_database())
