-- The records of parked keys, untouched, until they are applied or discarded.
create table parked_event (
    projection    text        not null,
    topic         text        not null,
    partition     integer     not null,
    record_offset bigint      not null,
    key           bytea       not null,
    record_key    bytea,
    payload       bytea,
    header_names  bytea[]     not null,
    header_values bytea[]     not null,
    timestamp_ms  bigint,
    schema_id     bigint,
    tenant_id     text,
    aggregate_id  uuid,
    version       bigint,
    event_id      uuid,
    event_type    text,
    reason        text        not null,
    message       text        not null,
    attempts      integer     not null default 0,
    parked_at     timestamptz not null default clock_timestamp(),
    copied_at     timestamptz,
    released_at   timestamptz,
    constraint parked_event_pkey primary key (projection, topic, partition, record_offset),
    constraint parked_event_headers_pair check (cardinality(header_names) = cardinality(header_values))
);

create index parked_event_of_key on parked_event (projection, topic, partition, key) where released_at is null;
create index parked_event_to_copy on parked_event (projection, topic, partition, record_offset) where copied_at is null;

comment on table parked_event is 'One row per parked record. Parking the same record again changes nothing.';
comment on column parked_event.key is 'The parked_key it waits under.';
comment on column parked_event.record_key is 'The record''s key as it came; null if it had none.';
comment on column parked_event.version is 'As a header says, not checked against the payload; null where none could be read. Redrive goes by it.';
comment on column parked_event.attempts is 'Redrives that stopped at this record.';
comment on column parked_event.copied_at is 'When the dead-letter topic acknowledged its copy.';
comment on column parked_event.released_at is 'Applied or discarded, and kept only until it is copied.';

alter table parked_event enable row level security;
alter table parked_event force row level security;
create policy parked_event_writer on parked_event to views_writer using (true) with check (true);
create policy parked_event_tenant on parked_event for select to dashboard
    using (tenant_id = current_setting('millrace.tenant', true));

grant select, insert, update, delete on parked_event to views_writer;
grant select on parked_event to dashboard;
