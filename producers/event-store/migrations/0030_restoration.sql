-- Bringing events back from files or from the topic. They were published when they were new, so the outbox stays as it is.
--
-- Each restoration begins with an audit row (begin_restoration), and only what the functions below insert in the
-- transaction of that row counts as restored: the outbox's trigger believes the row, not whoever calls. `app` can
-- neither write such a row nor call these functions, so it still cannot append without the outbox.

create function begin_restoration(
    tenant text, action text, actor text, why text, events bigint, digest text, details jsonb
) returns bigint language plpgsql volatile security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    audit       bigint;
begin
    perform set_config('millrace.tenant', tenant, true);
    insert into store_audit as a (tenant_id, action, actor, reason, events, digest, details)
    values (tenant, begin_restoration.action, begin_restoration.actor, why, begin_restoration.events,
        begin_restoration.digest, begin_restoration.details)
    returning a.audit_id into audit;
    perform set_config('millrace.tenant', callers_own, true);
    return audit;
end
$$;

comment on function begin_restoration is
    'Writes the audit row of a restoration: restore-backup, restore-archive, reconcile-store or reconcile-topic.';

-- Whether a row that is being written is brought back by a restoration of this transaction.
create function is_restoring(actions text[]) returns boolean language plpgsql stable security invoker
set search_path = pg_catalog, public, pg_temp as $$
begin
    return exists (
        select from store_audit as a
        where a.audit_id = nullif(current_setting('millrace.restoration', true), '')::bigint
            and a.tenant_id = current_setting('millrace.tenant', true)
            and a.action = any (actions) and a.transaction_id = pg_current_xact_id());
end
$$;

create or replace function event_store_fill_outbox() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    if current_setting('millrace.restoration', true) <> ''
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

-- Inserts events of one tenant as they were. Positions that are null are new ones, and the events then continue their
-- aggregates without a gap.
create function restore_events(
    tenant          text,
    audit           bigint,
    positions       bigint[],
    aggregate_ids   uuid[],
    aggregate_types text[],
    versions        bigint[],
    event_ids       uuid[],
    event_types     text[],
    payloads        bytea[],
    event_datas     jsonb[],
    metadatas       jsonb[],
    occurred_ats    timestamptz[],
    recorded_ats    timestamptz[],
    transaction_ids bigint[]
) returns bigint language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    inserted    bigint;
    broken      record;
begin
    perform set_config('millrace.tenant', tenant, true);
    perform set_config('millrace.restoration', audit::text, true);
    if not is_restoring('{restore-backup,restore-archive,reconcile-store}') then
        raise exception 'audit row % does not begin a restoration in this transaction', audit
            using errcode = 'restrict_violation';
    end if;

    if array_position(positions, null) is not null then
        select g.aggregate_id, g.first, head.version as last into broken
        from (
            select n.aggregate_id, min(n.version) as first, max(n.version) as last, count(*) as events
            from unnest(aggregate_ids, versions) as n(aggregate_id, version) group by n.aggregate_id
        ) as g
        cross join lateral (
            select coalesce(max(e.version), 0) as version from event_store as e where e.aggregate_id = g.aggregate_id
        ) as head
        where g.first <> head.version + 1 or g.last - g.first + 1 <> g.events
        limit 1;
        if found then
            raise exception 'aggregate % is at version %, so it cannot go on with version %', broken.aggregate_id,
                    broken.last, broken.first
                using errcode = 'integrity_constraint_violation', constraint = 'restore_events_continue';
        end if;
        -- As append_events does: see settled_position.
        perform pg_advisory_xact_lock_shared(
            x'4d52'::integer, (case when s.is_called then s.last_value else 0 end)::bit(32)::integer)
        from event_store_position_seq as s;
    end if;

    insert into event_store (
        position, aggregate_id, aggregate_type, version, event_id, event_type, payload, event_data, metadata,
        tenant_id, occurred_at, recorded_at, transaction_id)
    overriding system value
    select
        coalesce(n.position, nextval('event_store_position_seq')), n.aggregate_id, n.aggregate_type, n.version,
        n.event_id, n.event_type, n.payload, n.event_data, n.metadata, tenant, n.occurred_at, n.recorded_at,
        coalesce(n.transaction_id::text::xid8, pg_current_xact_id())
    from unnest(
        positions, aggregate_ids, aggregate_types, versions, event_ids, event_types, payloads, event_datas, metadatas,
        occurred_ats, recorded_ats, transaction_ids
    ) with ordinality as n(
        position, aggregate_id, aggregate_type, version, event_id, event_type, payload, event_data, metadata,
        occurred_at, recorded_at, transaction_id, place)
    order by n.place;
    get diagnostics inserted = row_count;
    perform set_config('millrace.restoration', '', true);
    perform set_config('millrace.tenant', callers_own, true);
    return inserted;
end
$$;

comment on function restore_events is
    'Inserts events with their own positions, ids, versions and times, and leaves the outbox alone.';

-- A restored audit row keeps its time; everything else about who signs stays as in 0020.
create or replace function sign_with_transaction() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    new.transaction_id := pg_current_xact_id();
    if tg_table_name = 'store_audit' and not (
        current_setting('millrace.restoration', true) <> '' and is_restoring('{restore-backup}')) then
        new.at := clock_timestamp();
    end if;
    return new;
end
$$;

-- A range that was put back is there; a restored row may say so from the start.
drop trigger pruned_is_gone on pruned;
create constraint trigger pruned_is_gone after insert on pruned
    deferrable initially deferred for each row when (new.restored_by is null) execute function pruned_is_gone();
alter table pruned enable always trigger pruned_is_gone;

-- Inserts rows of any other table as they were, under the restoration of a tenant.
create function restore_rows(tenant text, audit bigint, wanted text, rows jsonb) returns bigint
language plpgsql volatile security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    columns     text;
    inserted    bigint;
begin
    perform set_config('millrace.tenant', tenant, true);
    perform set_config('millrace.restoration', audit::text, true);
    if not is_restoring('{restore-backup}') or wanted in ('event_store', 'outbox') then
        raise exception 'audit row % does not restore table % in this transaction', audit, wanted
            using errcode = 'restrict_violation';
    end if;
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute as a
    where a.attrelid = format('public.%I', wanted)::regclass and a.attnum > 0 and not a.attisdropped
        and a.attgenerated = '';
    execute format(
        'insert into public.%1$I (%2$s) overriding system value
         select %2$s from jsonb_populate_recordset(null::public.%1$I, $1)', wanted, columns) using rows;
    get diagnostics inserted = row_count;
    perform set_config('millrace.restoration', '', true);
    perform set_config('millrace.tenant', callers_own, true);
    return inserted;
end
$$;

comment on function restore_rows is 'Inserts rows, given as JSON, of any table but the events and the outbox.';

-- Says of archived ranges that they are back; pruned_only_comes_back sees to it that they are.
create function mark_restored(tenant text, audit bigint, from_file text) returns setof pruned
language plpgsql volatile security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    broken      record;
begin
    perform set_config('millrace.tenant', tenant, true);
    -- What remains of an aggregate is always its newest events.
    select p.aggregate_id, newer.file into broken
    from pruned as p
    join pruned as newer on newer.aggregate_id = p.aggregate_id and newer.from_version > p.to_version
    where p.file = from_file and p.restored_by is null and newer.restored_by is null
    limit 1;
    if found then
        raise exception 'later versions of aggregate % are in %; they come back first', broken.aggregate_id, broken.file
            using errcode = 'integrity_constraint_violation', constraint = 'mark_restored_newest_first';
    end if;
    return query
        update pruned as p set restored_by = audit where p.file = from_file and p.restored_by is null returning p.*;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;

comment on function mark_restored is 'Takes back what pruned says of a file''s ranges, after their events were restored.';

-- Keys that events of a tenant were sealed with and that nobody has: a store that lost the events may have lost the keys that
-- were made with them. Each is noted as destroyed by the restoration, so that what it sealed reads as erased, and the
-- aggregate can be read. Returns what is lost.
create function note_lost_keys(tenant text, audit bigint, events uuid[]) returns setof uuid
language plpgsql volatile security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
begin
    perform set_config('millrace.tenant', tenant, true);
    return query
        insert into subject_key as k (tenant_id, subject, key_id, destroyed_at, destroyed_by)
        select distinct tenant, 'lost:' || sealed.key[1], sealed.key[1]::uuid, clock_timestamp(), audit
        from event_store as e
        cross join lateral regexp_matches(
            e.event_data::text, '"enc:v1:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):', 'g') as sealed(key)
        where e.event_id = any (events)
        on conflict (key_id) do nothing
        returning k.key_id;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;

comment on function note_lost_keys is 'Notes as destroyed the keys that restored events name and the store has not.';

-- Fills the outbox once more for events that the topic lacks. They go out as they are stored, on the day they were.
create function publish_again(tenant text, audit bigint, events uuid[]) returns bigint
language plpgsql volatile security invoker set search_path = pg_catalog, public, pg_temp set timezone = 'UTC' as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    inserted    bigint;
begin
    perform set_config('millrace.tenant', tenant, true);
    perform set_config('millrace.restoration', audit::text, true);
    if not is_restoring('{reconcile-topic}') then
        raise exception 'audit row % does not publish again in this transaction', audit
            using errcode = 'restrict_violation';
    end if;
    perform outbox_open(day.day)
    from (select distinct e.recorded_at::date as day from event_store as e where e.event_id = any (events)) as day;
    insert into outbox (
        id, aggregate_type, aggregate_id, event_type, aggregate_version, tenant_id,
        correlation_id, causation_id, traceparent, occurred_at, recorded_at, payload)
    select
        e.event_id, e.aggregate_type, e.aggregate_id, e.event_type, e.version, e.tenant_id,
        e.metadata ->> 'correlation_id', e.metadata ->> 'causation_id', e.metadata ->> 'traceparent',
        e.occurred_at, e.recorded_at, e.payload
    from event_store as e
    where e.event_id = any (events)
    order by e.position;
    get diagnostics inserted = row_count;
    if inserted <> cardinality(events) then
        raise exception 'tenant % has % of these % events', tenant, inserted, cardinality(events)
            using errcode = 'no_data_found';
    end if;
    perform set_config('millrace.restoration', '', true);
    perform set_config('millrace.tenant', callers_own, true);
    return inserted;
end
$$;

comment on function publish_again is 'Writes outbox rows of events that are stored, so that they reach the topic again.';

revoke all on function begin_restoration from public;
revoke all on function is_restoring from public;
revoke all on function restore_events from public;
revoke all on function restore_rows from public;
revoke all on function mark_restored from public;
revoke all on function note_lost_keys from public;
revoke all on function publish_again from public;

-- A backup says which migrations it came from.
grant select on event_store_migration to auditor;
grant select on outbox_migration to auditor;
