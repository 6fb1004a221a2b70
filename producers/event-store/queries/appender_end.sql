-- Ends the session of an open appender, if it still is the same transaction.
select coalesce(bool_or(pg_terminate_backend(a.pid)), false)
from pg_stat_activity as a
where a.pid = $1 and a.backend_start = $2 and a.xact_start = $3
    and exists (
        select from pg_locks as l
        where l.pid = a.pid and l.locktype = 'advisory' and l.objsubid = 2 and l.classid::bigint = x'4d52'::bigint)
