-- The event store: what happened, in order, never changed.
--
-- Nothing reads this table to follow the news. Debezium carries the outbox to Kafka, and every consumer reads Kafka;
-- this table is what every view can be rebuilt from and is compared with.

create table event_store (
    position       bigint      not null generated always as identity,
    aggregate_id   uuid        not null,
    aggregate_type text        not null,
    version        bigint      not null,
    event_id       uuid        not null,
    event_type     text        not null,
    payload        bytea       not null,
    event_data     jsonb       not null,
    metadata       jsonb       not null default '{}',
    tenant_id      text        not null,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null,
    transaction_id xid8        not null default pg_current_xact_id(),

    constraint event_store_pkey                  primary key (position),
    constraint event_store_aggregate_version_key unique (aggregate_id, version),
    constraint event_store_event_id_key          unique (event_id),
    constraint event_store_aggregate_type_check  check (aggregate_type ~ '^[a-z][a-z0-9-]*$' and length(aggregate_type) <= 63),
    constraint event_store_version_check         check (version >= 1),
    constraint event_store_event_type_check      check (event_type ~ '^[A-Z][A-Za-z0-9]*$' and length(event_type) <= 100),
    constraint event_store_payload_check         check (octet_length(payload) between 6 and 524288 and get_byte(payload, 0) = 0),
    constraint event_store_metadata_check        check (jsonb_typeof(metadata) = 'object'),
    constraint event_store_tenant_check          check (tenant_id ~ '^[a-z][a-z0-9-]*$' and length(tenant_id) <= 63)
);

comment on table event_store is 'Every event of every aggregate; the truth.';
comment on column event_store.position is 'Place in the store. Rises with time, has gaps, and becomes visible out of order: read up to settled_position() only.';
comment on column event_store.aggregate_id is 'Whose event it is.';
comment on column event_store.aggregate_type is 'Kind of aggregate; one per aggregate_id.';
comment on column event_store.version is 'Place among the aggregate''s events: 1, 2, 3 … without a gap.';
comment on column event_store.event_id is 'The event''s name for ever: UUIDv7 for live events, derived from the source for imported ones.';
comment on column event_store.event_type is 'Name of the event''s Avro record.';
comment on column event_store.payload is 'Avro in the Schema Registry wire format. Code reads this and nothing else.';
comment on column event_store.event_data is 'The payload once more, for people and SQL; derived, never read by code.';
comment on column event_store.metadata is 'correlation_id, causation_id, actor, traceparent.';
comment on column event_store.tenant_id is 'Whose data it is.';
comment on column event_store.occurred_at is 'When it happened, by the clock of whoever saw it happen.';
comment on column event_store.recorded_at is 'When this row was written, by the database''s clock; one instant per append.';
comment on column event_store.transaction_id is 'The transaction that wrote it.';

-- Events are never changed; a mistake is corrected by another event. Also not by a replication worker.
create function refuse_change() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
    raise exception 'events are never changed: % of % is refused', lower(tg_op), tg_table_name
        using errcode = 'restrict_violation', hint = 'Append a correcting event.';
end
$$;

create trigger event_store_is_immutable
    before update or delete or truncate on event_store
    for each statement execute function refuse_change();
alter table event_store enable always trigger event_store_is_immutable;

-- A tenant sees its own rows; whoever forgets to name one sees none. The owner is no exception (force).
alter table event_store enable row level security;
alter table event_store force row level security;
create policy event_store_tenant on event_store to owner, app
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
create policy event_store_audit on event_store for select to auditor using (true);

grant select on event_store to app, auditor;
revoke all on function refuse_change() from public;
