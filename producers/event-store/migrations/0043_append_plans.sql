-- An append is planned once per connection and asks for a restoration only where there is one: a third of its time less.
--
-- Left to itself the server plans every append anew, since it takes an array of unknown length for a long one. A setting that
-- was never set is null, and `null and …` asks what comes behind it.

alter function append_events set plan_cache_mode = force_generic_plan;

-- As in 0030.
create or replace function event_store_fill_outbox() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    if coalesce(current_setting('millrace.restoration', true), '') <> ''
        and is_restoring('{restore-backup,restore-archive,reconcile-store}') then
        return null;
    end if;
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
