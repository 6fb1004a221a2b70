-- The outbox row is written by the database: an event and its outbox row exist together, or neither does.
--
-- Once per statement, not per row, and in the order of positions, so that a batch costs one insert more.

create function event_store_fill_outbox() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into public.outbox (
        id, aggregate_type, aggregate_id, event_type, aggregate_version, tenant_id,
        correlation_id, causation_id, traceparent, occurred_at, recorded_at, payload)
    select
        event_id, aggregate_type, aggregate_id, event_type, version, tenant_id,
        metadata ->> 'correlation_id', metadata ->> 'causation_id', metadata ->> 'traceparent',
        occurred_at, recorded_at, payload
    from appended
    order by position;
    return null;
end
$$;

create trigger event_store_fills_outbox
    after insert on event_store referencing new table as appended
    for each statement execute function event_store_fill_outbox();
alter table event_store enable always trigger event_store_fills_outbox;

revoke all on function event_store_fill_outbox() from public;
