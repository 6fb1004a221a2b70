-- An append is planned once per connection, asks for a restoration only where there is one, and finds an event by its id
-- whatever the store held when it was planned: less than half of its time.
--
-- Left to itself the server plans every append anew, since it takes an array of unknown length for a long one; so it also finds
-- it cheaper, in a small store, to read an index from end to end than to look ten ids up. A setting that was never set is null,
-- and `null and …` asks what comes behind it.

-- As in 0006 but for that.
create or replace function append_events(
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
    occurred_ats    timestamptz[],
    command_key     text,
    command_digest  bytea
) returns setof append_answer language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp
set enable_seqscan = off    -- a plan made while the table was small must not stay when it is large
set plan_cache_mode = force_generic_plan
as $$
declare
    callers_own  text := current_setting('millrace.tenant', true);
    done         text;      -- what functions return that are called for what they do
    earlier      command%rowtype;
    duplicates   integer;
    actual       bigint[];
    stored_types text[];
    refused      boolean := false;
    now_is       timestamptz;
    firsts       bigint[];
    lasts        bigint[];
    counts       integer[];
begin
    -- With an older snapshot the versions below could be out of date in spite of the locks.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'append_events needs a read committed transaction' using errcode = 'feature_not_supported';
    end if;
    done := set_config('millrace.tenant', tenant, true);

    -- Copies of one command wait for the first; its answer is theirs. The key comes before the aggregates, always.
    if command_key is not null then
        done := pg_advisory_xact_lock(hashtextextended(command_key, hashtextextended(tenant, 0)));
        select * into earlier from command as c where c.tenant_id = tenant and c.key = command_key;
        if found then
            return query select * from command_answer(earlier, command_digest);
            done := set_config('millrace.tenant', callers_own, true);
            return;
        end if;
    end if;

    -- One writer per aggregate at a time. Always in the order of the keys, so that A, B never deadlocks with B, A.
    if cardinality(aggregate_ids) = 1 then
        done := pg_advisory_xact_lock(uuid_hash_extended(aggregate_ids[1], 0));
    else
        perform pg_advisory_xact_lock(locks.key)
        from (
            select distinct uuid_hash_extended(ids.id, 0) as key from unnest(aggregate_ids) as ids(id) order by 1
        ) as locks;
    end if;

    select
        array_agg(coalesce(head.version, 0) order by wanted.place),
        array_agg(head.aggregate_type order by wanted.place),
        (select count(*) from unnest(event_ids) as new(id)
            cross join lateral (select from event_store as e where e.event_id = new.id limit 1) as known)
    into actual, stored_types, duplicates
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
            null, null, null, null, null, null, null, null, null, null, null, null)::append_answer;
        return query
            select 'between', e.aggregate_id, null::bigint, e.version, e.position, e.position, e.event_id,
                e.aggregate_type, e.event_type, e.payload, null::jsonb, e.metadata, e.occurred_at, e.recorded_at,
                e.transaction_id::text::bigint, null::integer
            from event_store as e
            where e.aggregate_id = aggregate_ids[i] and e.version > greatest(expected[i], 0)
            order by e.version limit 100;
    end loop;
    if refused then
        done := set_config('millrace.tenant', callers_own, true);
        return;
    end if;

    if duplicates > 0 then
        return query
            select 'duplicate', e.aggregate_id, null::bigint, e.version, e.position, e.position, e.event_id, null::text,
                null::text, null::bytea, null::jsonb, null::jsonb, null::timestamptz, null::timestamptz, null::bigint,
                null::integer
            from event_store as e
            where e.event_id = any (event_ids)
            order by e.position;
        done := set_config('millrace.tenant', callers_own, true);
        return;
    end if;

    -- Announces that positions above this one may still appear (see settled_position), before taking any.
    done := pg_advisory_xact_lock_shared(
        x'4d52'::integer, coalesce(pg_sequence_last_value('public.event_store_position_seq'), 0)::bit(32)::integer);

    now_is := clock_timestamp();
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
        returning e.aggregate_id, e.position
    ), places as (
        select a.aggregate_id, min(a.position) as first, max(a.position) as last, count(*)::integer as events
        from appended as a
        group by a.aggregate_id
    )
    select
        array_agg(p.first order by wanted.place), array_agg(p.last order by wanted.place),
        array_agg(coalesce(p.events, 0) order by wanted.place)
    into firsts, lasts, counts
    from unnest(aggregate_ids) with ordinality as wanted(id, place)
    left join places as p on p.aggregate_id = wanted.id;

    for i in 1 .. cardinality(aggregate_ids) loop
        actual[i] := actual[i] + counts[i];
        return next ('appended', aggregate_ids[i], null, actual[i], firsts[i], lasts[i],
            null, null, null, null, null, null, null, now_is, null, counts[i])::append_answer;
    end loop;
    if command_key is not null then
        insert into command (
            tenant_id, key, body_digest, answered_at, aggregate_ids, versions, first_positions, last_positions, event_counts)
        values (tenant, command_key, command_digest, now_is, aggregate_ids, actual, firsts, lasts, counts);
    end if;
    done := set_config('millrace.tenant', callers_own, true);
end
$$;

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
