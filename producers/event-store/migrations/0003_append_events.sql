-- Appending: one call, one round trip, several aggregates, all or nothing.
--
-- The function runs as owner, since app may not insert. It answers with rows of one shape, told apart by `outcome`:
--   appended   per aggregate: its new version, first and last position, recorded_at
--   conflict   per aggregate that is not where the caller thought: expected, actual version; nothing was written
--   between    after its conflict: up to 100 events the caller does not know, in order
--   duplicate  an event id that the store already has, and where (if it is this tenant's); nothing was written
-- A conflict is an answer: it leaves the caller's transaction usable, so no unique violation is provoked and no
-- savepoint is taken. Expected version: n = exactly n, 0 = no events yet, -1 = any, -2 = at least one.
--
-- Another tenant's aggregate looks like an unknown one. Writing its first event then breaks
-- event_store_aggregate_version_key, which is the one thing told: the id is taken. Likewise event_store_event_id_key for
-- another tenant's event id, or one that is appended to two aggregates at the very same time.

create type append_answer as (
    outcome        text,
    aggregate_id   uuid,
    expected       bigint,
    version        bigint,
    first_position bigint,
    last_position  bigint,
    event_id       uuid,
    aggregate_type text,
    event_type     text,
    payload        bytea,
    event_data     jsonb,
    metadata       jsonb,
    occurred_at    timestamptz,
    recorded_at    timestamptz,
    transaction_id bigint
);

-- Events name their aggregate by its place (from 1) in the aggregates' arrays.
create function append_events(
    tenant          text,
    aggregate_ids   uuid[],
    aggregate_types text[],
    expected        bigint[],
    event_aggregate integer[],
    event_ids       uuid[],
    event_types     text[],
    payloads        bytea[],
    event_datas     jsonb[],
    metadatas       jsonb[],
    occurred_ats    timestamptz[]
) returns setof append_answer language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off    -- a plan made while the table was small must not stay when it is large
set jit = off
as $$
declare
    callers_own  text := current_setting('millrace.tenant', true);
    actual       bigint[];
    stored_types text[];
    refused      boolean := false;
    now_is       timestamptz;
begin
    -- With an older snapshot the versions below could be out of date in spite of the locks.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'append_events needs a read committed transaction' using errcode = 'feature_not_supported';
    end if;
    perform set_config('millrace.tenant', tenant, true);

    -- One writer per aggregate at a time. Always in the order of the keys, so that A, B never deadlocks with B, A.
    perform pg_advisory_xact_lock(locks.key)
    from (
        select distinct uuid_hash_extended(ids.id, 0) as key from unnest(aggregate_ids) as ids(id) order by 1
    ) as locks;

    select array_agg(coalesce(head.version, 0) order by wanted.place), array_agg(head.aggregate_type order by wanted.place)
    into actual, stored_types
    from unnest(aggregate_ids) with ordinality as wanted(id, place)
    left join lateral (
        select e.version, e.aggregate_type from event_store as e
        where e.aggregate_id = wanted.id order by e.version desc limit 1
    ) as head on true;

    for i in 1 .. cardinality(aggregate_ids) loop
        if stored_types[i] <> aggregate_types[i] then
            raise exception 'aggregate % is a %, not a %', aggregate_ids[i], stored_types[i], aggregate_types[i]
                using errcode = 'integrity_constraint_violation', constraint = 'event_store_aggregate_type_stays';
        end if;
        continue when expected[i] = actual[i] or expected[i] = -1 or (expected[i] = -2 and actual[i] > 0);
        refused := true;
        return next ('conflict', aggregate_ids[i], expected[i], actual[i],
            null, null, null, null, null, null, null, null, null, null, null)::append_answer;
        return query
            select 'between', e.aggregate_id, null::bigint, e.version, e.position, e.position, e.event_id,
                e.aggregate_type, e.event_type, e.payload, e.event_data, e.metadata, e.occurred_at, e.recorded_at,
                e.transaction_id::text::bigint
            from event_store as e
            where e.aggregate_id = aggregate_ids[i] and e.version > greatest(expected[i], 0)
            order by e.version limit 100;
    end loop;
    if refused then
        perform set_config('millrace.tenant', callers_own, true);
        return;
    end if;

    return query
        select 'duplicate', e.aggregate_id, null::bigint, e.version, e.position, e.position, e.event_id,
            null::text, null::text, null::bytea, null::jsonb, null::jsonb, null::timestamptz, null::timestamptz, null::bigint
        from event_store as e
        where e.event_id = any (event_ids)
        order by e.position;
    if found then
        perform set_config('millrace.tenant', callers_own, true);
        return;
    end if;

    -- Announces that positions above this one may still appear (see settled_position), before taking any.
    perform pg_advisory_xact_lock_shared(
        x'4d52'::integer, (case when s.is_called then s.last_value else 0 end)::bit(32)::integer)
    from event_store_position_seq as s;

    now_is := clock_timestamp();
    return query
        with appended as (
            insert into event_store as e (
                aggregate_id, aggregate_type, version, event_id, event_type, payload, event_data, metadata,
                tenant_id, occurred_at, recorded_at)
            select
                aggregate_ids[n.aggregate], aggregate_types[n.aggregate],
                actual[n.aggregate] + row_number() over (partition by n.aggregate order by n.place),
                n.event_id, n.event_type, n.payload, n.event_data, n.metadata, tenant, n.occurred_at, now_is
            from unnest(
                event_aggregate, event_ids, event_types, payloads, event_datas, metadatas, occurred_ats
            ) with ordinality as n(
                aggregate, event_id, event_type, payload, event_data, metadata, occurred_at, place)
            order by n.place
            returning e.aggregate_id, e.version, e.position
        )
        select 'appended', a.aggregate_id, null::bigint, max(a.version), min(a.position), max(a.position), null::uuid,
            null::text, null::text, null::bytea, null::jsonb, null::jsonb, null::timestamptz, now_is,
            pg_current_xact_id()::text::bigint
        from appended as a
        group by a.aggregate_id;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;

comment on function append_events is
    'Appends events to one or several aggregates of one tenant, all or nothing; conflicts come back as rows.';

revoke all on function append_events from public;
grant execute on function append_events to app;
