-- The outbox: what is on its way to Kafka, written by the database in the transaction that appends the events.
--
-- Nobody inserts here by hand: a trigger on event_store does. Nothing is ever read back from here either: Debezium
-- reads the write-ahead log, and recovery depends on event_store alone. So old days are dropped whole.
-- It has no primary key on purpose: without one, Postgres refuses any update of a published table by itself.

create table outbox (
    id                 uuid        not null,
    aggregate_type     text        not null,
    aggregate_id       uuid        not null,
    event_type         text        not null,
    aggregate_version  bigint      not null,
    tenant_id          text        not null,
    correlation_id     text,
    causation_id       text,
    traceparent        text,
    occurred_at        timestamptz not null,
    recorded_at        timestamptz not null,
    payload            bytea       not null,
    specversion        text        not null default '1.0',

    constraint outbox_aggregate_type_check    check (aggregate_type ~ '^[a-z][a-z0-9-]*$' and length(aggregate_type) <= 63),
    constraint outbox_event_type_check        check (event_type ~ '^[A-Z][A-Za-z0-9]*$' and length(event_type) <= 100),
    constraint outbox_aggregate_version_check check (aggregate_version >= 1),
    constraint outbox_payload_check           check (octet_length(payload) between 6 and 524288)
) partition by range (recorded_at);

comment on table outbox is 'Events on their way to Kafka: one row per event, dropped by whole days.';
comment on column outbox.id is 'The event''s id; header ce_id.';
comment on column outbox.aggregate_type is 'Routes the row to its topic, agents.<aggregate_type>.events; hence the narrow check.';
comment on column outbox.aggregate_id is 'Key of the Kafka record, which keeps the order within an aggregate; header ce_subject.';
comment on column outbox.event_type is 'Name of the event''s Avro record; header ce_type.';
comment on column outbox.aggregate_version is 'Place in the aggregate''s history, from 1; header aggregateversion.';
comment on column outbox.tenant_id is 'Whose data it is; header tenant.';
comment on column outbox.correlation_id is 'Header correlationid.';
comment on column outbox.causation_id is 'Header causationid.';
comment on column outbox.traceparent is 'W3C trace context; header traceparent.';
comment on column outbox.occurred_at is 'When it happened; header ce_time.';
comment on column outbox.recorded_at is 'When it was written; header recordedtime. Chooses the partition.';
comment on column outbox.payload is 'Avro in the Schema Registry wire format, the record''s value byte for byte. At most 512 KiB, so that record and headers fit the 1 MiB a topic takes.';
comment on column outbox.specversion is 'Version of CloudEvents that the headers follow; header ce_specversion. Connect cannot insert "1.0" by itself: it takes it for the number 1.';

alter table outbox enable row level security;
alter table outbox force row level security;
create policy outbox_tenant on outbox to owner
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));

-- Logical decoding needs no privilege on the table and asks no policy; reading it would, and Debezium checks at
-- start that it may. It sees no row that way (no policy names cdc), and needs none: snapshots are off.
grant select on outbox to cdc;

-- Makes the partitions of today and the coming days, one a day in UTC, and says which are new.
--
-- A partition is made beside the table and then attached, which lets appends go on; `create … partition of` would
-- stop them. Rows are reached through outbox only: each partition refuses everyone who asks it directly.
create function outbox_roll(days_ahead integer) returns setof text language plpgsql
set search_path = pg_catalog, public, pg_temp set timezone = 'UTC' as $$
declare
    day       date;
    partition text;
begin
    perform pg_advisory_xact_lock(hashtextextended('outbox_roll', 0));
    for day in select current_date + n from generate_series(0, days_ahead) as n loop
        partition := 'outbox_' || to_char(day, 'YYYYMMDD');
        continue when to_regclass('public.' || partition) is not null;
        execute format('create table public.%I (like public.outbox including all)', partition);
        execute format('alter table public.%I enable row level security', partition);
        execute format('alter table public.%I force row level security', partition);
        execute format(
            'alter table public.outbox attach partition public.%I for values from (%L) to (%L)',
            partition, day::timestamptz, (day + 1)::timestamptz);
        return next partition;
    end loop;
end
$$;

comment on function outbox_roll(integer) is
    'Makes the partitions of today and the coming days; returns the names of the new ones. Dropping old ones is outbox::Outbox::roll.';

revoke all on function outbox_roll(integer) from public;

select outbox_roll(14);
