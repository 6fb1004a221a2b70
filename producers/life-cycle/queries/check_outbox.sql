-- Complains when the outbox has no partition for tomorrow and the day after.
select format('the outbox has partitions for %s days after today; run the janitor, or appends will stop', ahead.days)
from (
    select count(*) as days
    from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'public.outbox'::regclass
        and right(c.relname, 8) > to_char(now() at time zone 'UTC', 'YYYYMMDD')
) as ahead
where ahead.days < 2
