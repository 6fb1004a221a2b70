-- A partition for any one day: events that are published again keep the day on which they were recorded.
--
-- A partition that is being dropped is detached first; until it is gone its table is there and takes no rows. It is then
-- attached again, as it is.

create function outbox_open(day date) returns text language plpgsql
set search_path = pg_catalog, public, pg_temp set timezone = 'UTC' as $$
declare
    partition     text := 'outbox_' || to_char(day, 'YYYYMMDD');
    half_detached boolean;
begin
    perform pg_advisory_xact_lock(hashtextextended('outbox_roll', 0));
    select i.inhdetachpending into half_detached from pg_inherits as i
    where i.inhrelid = to_regclass('public.' || partition) and i.inhparent = 'public.outbox'::regclass;
    if not half_detached then
        return null;
    elsif half_detached then
        execute format('alter table public.outbox detach partition public.%I finalize', partition);
    end if;
    if to_regclass('public.' || partition) is null then
        execute format('create table public.%I (like public.outbox including all)', partition);
        execute format('alter table public.%I enable row level security', partition);
        execute format('alter table public.%I force row level security', partition);
    end if;
    execute format(
        'alter table public.outbox attach partition public.%I for values from (%L) to (%L)',
        partition, day::timestamptz, (day + 1)::timestamptz);
    return partition;
end
$$;

comment on function outbox_open(date) is
    'Makes the partition of a day, beside the table and then attached, unless it is attached; returns its name if it was not.';

revoke all on function outbox_open(date) from public;

create or replace function outbox_roll(days_ahead integer) returns setof text language sql volatile
set search_path = pg_catalog, public, pg_temp set timezone = 'UTC' as $$
    select made.partition
    from generate_series(0, days_ahead) as n cross join lateral outbox_open(current_date + n) as made(partition)
    where made.partition is not null
$$;
