-- A partition for any one day: events that are published again keep the day on which they were recorded.

create function outbox_open(day date) returns text language plpgsql
set search_path = pg_catalog, public, pg_temp set timezone = 'UTC' as $$
declare
    partition text := 'outbox_' || to_char(day, 'YYYYMMDD');
begin
    perform pg_advisory_xact_lock(hashtextextended('outbox_roll', 0));
    if to_regclass('public.' || partition) is not null then
        return null;
    end if;
    execute format('create table public.%I (like public.outbox including all)', partition);
    execute format('alter table public.%I enable row level security', partition);
    execute format('alter table public.%I force row level security', partition);
    execute format(
        'alter table public.outbox attach partition public.%I for values from (%L) to (%L)',
        partition, day::timestamptz, (day + 1)::timestamptz);
    return partition;
end
$$;

comment on function outbox_open(date) is
    'Makes the partition of a day, beside the table and then attached, unless it is there; returns its name if it is new.';

revoke all on function outbox_open(date) from public;

create or replace function outbox_roll(days_ahead integer) returns setof text language sql volatile
set search_path = pg_catalog, public, pg_temp set timezone = 'UTC' as $$
    select made.partition
    from generate_series(0, days_ahead) as n cross join lateral outbox_open(current_date + n) as made(partition)
    where made.partition is not null
$$;
