-- Pruning: the one way by which events leave the store. What left is said by `pruned`, for ever.
--
-- A range is the oldest events that an aggregate still has, so what stays is its newest; the last event always stays, and with
-- it the version that the next append builds on. Only when a tenant is removed does all of it go.
-- A delete is let through when the very rows it deletes, by tenant, aggregate, version and digest, are those that
-- ranges of the same transaction name, all of each range in one statement; a range needs an audit row of that transaction.

create table pruned (
    tenant_id      text   not null,
    aggregate_id   uuid   not null,
    aggregate_type text   not null,
    from_version   bigint not null,
    to_version     bigint not null,
    events         bigint not null generated always as (to_version - from_version + 1) stored,
    reason         text   not null,
    digest         text   not null,
    last_position  bigint not null,
    file           text,
    audit_id       bigint not null,
    restored_by    bigint,
    transaction_id xid8   not null,

    constraint pruned_pkey           primary key (aggregate_id, from_version, audit_id),
    constraint pruned_audit_fkey     foreign key (audit_id, transaction_id) references store_audit (audit_id, transaction_id),
    constraint pruned_restored_fkey  foreign key (restored_by) references store_audit (audit_id),
    constraint pruned_versions_check check (1 <= from_version and from_version <= to_version),
    constraint pruned_reason_check   check (reason in ('archived', 'withdrawn', 'tenant-removed')),
    constraint pruned_file_check     check (reason <> 'archived' or file is not null),
    constraint pruned_digest_check   check (digest ~ '^[0-9a-f]{32}$')
);

comment on table pruned is 'Ranges of versions that left event_store, and why.';
comment on column pruned.events is 'How many events left: every version of the range.';
comment on column pruned.reason is 'archived: they are in a file; withdrawn: the aggregate was; tenant-removed: the whole tenant was.';
comment on column pruned.digest is 'Sum over the events of the range (event_digest).';
comment on column pruned.last_position is 'Place of the range''s last event in the store.';
comment on column pruned.file is 'Where archived events are.';
comment on column pruned.audit_id is 'Who did it and why.';
comment on column pruned.restored_by is 'The audit row of the restore that put the range back; null while it is gone.';

create index pruned_tenant_idx on pruned (tenant_id);
-- Only the removal of a tenant can take the store's last events away (see head_position).
create index pruned_head_idx on pruned (last_position) where reason = 'tenant-removed';

create trigger pruned_is_signed before insert on pruned for each row execute function sign_with_transaction();
alter table pruned enable always trigger pruned_is_signed;

-- A range is never changed, but it may come back, once: by an archive's restoration in this very transaction, and as it
-- left, every event of it.
create function pruned_only_comes_back() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    back record;
begin
    -- Generated columns are not there yet in `new`.
    if old.restored_by is not null
        or to_jsonb(new) - '{restored_by,events}'::text[] <> to_jsonb(old) - '{restored_by,events}'::text[]
        or not exists (
            select from store_audit as a
            where a.audit_id = new.restored_by and a.tenant_id = old.tenant_id and a.action = 'restore-archive'
                and a.transaction_id = pg_current_xact_id())
    then
        raise exception 'what was pruned is never changed: update of pruned is refused' using errcode = 'restrict_violation';
    end if;
    select count(*) as events, digest_sum(sum(event_digest(e.aggregate_id, e.version, e.event_id, e.payload))) as digest
    into back
    from event_store as e
    where e.aggregate_id = old.aggregate_id and e.version between old.from_version and old.to_version;
    if (back.events, back.digest) is distinct from (old.events, old.digest) then
        raise exception 'versions % to % of aggregate % are not back as they left', old.from_version, old.to_version,
                old.aggregate_id
            using errcode = 'restrict_violation', constraint = 'pruned_only_comes_back';
    end if;
    return new;
end
$$;
revoke all on function pruned_only_comes_back() from public;
create trigger pruned_only_comes_back before update on pruned for each row execute function pruned_only_comes_back();
create trigger pruned_is_immutable before delete or truncate on pruned for each statement execute function refuse_change();
alter table pruned enable always trigger pruned_only_comes_back;
alter table pruned enable always trigger pruned_is_immutable;

-- A range that claims to be gone must be gone when its transaction commits.
create function pruned_is_gone() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    still_there bigint;
begin
    perform set_config('millrace.tenant', new.tenant_id, true);
    select count(*) into still_there from event_store as e
    where e.aggregate_id = new.aggregate_id and e.version between new.from_version and new.to_version;
    perform set_config('millrace.tenant', callers_own, true);
    if still_there > 0 then
        raise exception '% events of aggregate % are still there, but pruned says they are gone', still_there, new.aggregate_id
            using errcode = 'restrict_violation', constraint = 'pruned_is_gone';
    end if;
    return null;
end
$$;
revoke all on function pruned_is_gone() from public;
create constraint trigger pruned_is_gone after insert on pruned
    deferrable initially deferred for each row execute function pruned_is_gone();
alter table pruned enable always trigger pruned_is_gone;

alter table pruned enable row level security;
alter table pruned force row level security;
create policy pruned_tenant on pruned to owner, app
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
create policy pruned_audit on pruned for select to auditor using (true);
grant select on pruned to app, auditor;

-- Lets a delete through that deletes exactly what ranges of this transaction name, and nothing else.
create function event_store_only_pruned() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    broken record;
begin
    select g.aggregate_id, min(g.version) as first, max(g.version) as last into broken
    from gone as g
    left join pruned as p
        on p.transaction_id = pg_current_xact_id() and p.restored_by is null and p.tenant_id = g.tenant_id
        and p.aggregate_id = g.aggregate_id and p.aggregate_type = g.aggregate_type
        and g.version between p.from_version and p.to_version
    group by g.aggregate_id, p.audit_id, p.from_version, p.to_version, p.events, p.digest, p.last_position, p.reason
    having p.audit_id is null
        or count(*) <> p.events
        or digest_sum(sum(event_digest(g.aggregate_id, g.version, g.event_id, g.payload))) <> p.digest
        or max(g.position) <> p.last_position
        or exists (select from event_store as e where e.aggregate_id = g.aggregate_id and e.version < p.from_version)
        or (p.reason <> 'tenant-removed'
            and not exists (select from event_store as e where e.aggregate_id = g.aggregate_id and e.version > p.to_version))
    limit 1;
    if found then
        raise exception 'events are never deleted: versions % to % of aggregate % are not what a range of pruned takes away',
                broken.first, broken.last, broken.aggregate_id
            using errcode = 'restrict_violation', constraint = 'event_store_only_pruned',
                hint = 'Call prune_events; the last event of an aggregate stays.';
    end if;
    return null;
end
$$;
revoke all on function event_store_only_pruned() from public;

drop trigger event_store_is_immutable on event_store;
create trigger event_store_is_immutable before update or truncate on event_store
    for each statement execute function refuse_change();
create trigger event_store_is_only_pruned after delete on event_store
    referencing old table as gone for each statement execute function event_store_only_pruned();
alter table event_store enable always trigger event_store_is_immutable;
alter table event_store enable always trigger event_store_is_only_pruned;

-- Takes the oldest events of aggregates of one tenant away, each up to a version, all or nothing, and says what left.
--
-- `digests`, where given, is what the caller holds of these events (in the file they went to, say): another sum refuses.
create function prune_events(
    tenant        text,
    reason        text,
    actor         text,
    why           text,
    aggregate_ids uuid[],
    to_versions   bigint[],
    digests       text[] default null,
    file          text   default null,
    details       jsonb  default '{}'
) returns setof pruned language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp set enable_seqscan = off set jit = off as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    audit       bigint;
    differs     record;
begin
    perform set_config('millrace.tenant', tenant, true);
    -- As append_events does, so that no append comes in between.
    perform pg_advisory_xact_lock(locks.key)
    from (
        select distinct uuid_hash_extended(ids.id, 0) as key from unnest(aggregate_ids) as ids(id) order by 1
    ) as locks;

    with leaving as (
        select e.aggregate_id, e.aggregate_type, min(e.version) as first, max(e.version) as last, max(e.position) as last_position,
            sum(event_digest(e.aggregate_id, e.version, e.event_id, e.payload)) as digest, count(*) as events
        from unnest(aggregate_ids, to_versions) as wanted(id, last)
        join event_store as e on e.aggregate_id = wanted.id and e.version <= wanted.last
        group by e.aggregate_id, e.aggregate_type
    ), audited as (
        insert into store_audit as a (tenant_id, action, actor, reason, events, digest, details)
        select tenant, 'prune', prune_events.actor, why, coalesce(sum(l.events), 0), digest_sum(sum(l.digest)),
            details || jsonb_build_object('reason', prune_events.reason, 'aggregates', count(*))
        from leaving as l
        returning a.audit_id
    ), ranges as (
        insert into pruned as p (
            tenant_id, aggregate_id, aggregate_type, from_version, to_version, reason, digest, last_position, file, audit_id)
        select tenant, l.aggregate_id, l.aggregate_type, l.first, l.last, prune_events.reason, digest_sum(l.digest),
            l.last_position, prune_events.file, a.audit_id
        from leaving as l cross join audited as a
        returning p.audit_id
    )
    select a.audit_id into audit from audited as a;

    select w.id, w.last, w.digest as given, p.to_version, p.digest into differs
    from unnest(aggregate_ids, to_versions, coalesce(digests, '{}')) as w(id, last, digest)
    left join pruned as p on p.audit_id = audit and p.aggregate_id = w.id
    where p.to_version is distinct from w.last or (digests is not null and w.digest is distinct from p.digest)
    limit 1;
    if found then
        raise exception 'aggregate % cannot be pruned up to version %: %', differs.id, differs.last,
                case when differs.to_version is distinct from differs.last
                    then 'the store does not have that version'
                    else format('its events have digest %s, not %s', differs.digest, differs.given) end
            using errcode = 'integrity_constraint_violation', constraint = 'prune_events_differ';
    end if;

    delete from event_store as e using unnest(aggregate_ids, to_versions) as wanted(id, last)
    where e.aggregate_id = wanted.id and e.version <= wanted.last and e.tenant_id = tenant;

    return query select p.* from pruned as p where p.audit_id = audit order by p.aggregate_id;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;

comment on function prune_events is 'Takes the oldest events of aggregates of one tenant away, audited, all or nothing.';
revoke all on function prune_events from public;

-- Refuses to read versions that left the store: a history is whole, or it is an error that says where it went.
-- A removed tenant's aggregates are unknown, as every tenant's are that never was.
create function refuse_archived(aggregate uuid, after_version bigint, until_version bigint)
returns void language plpgsql stable security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    through bigint;
begin
    select max(p.to_version) into through from pruned as p
    where p.aggregate_id = aggregate and p.restored_by is null and p.reason <> 'tenant-removed';
    if through > after_version and (until_version is null or until_version > after_version) then
        raise exception 'versions up to % of aggregate % are archived', through, aggregate
            using errcode = 'no_data_found', constraint = 'event_store_is_archived', detail = through::text;
    end if;
end
$$;

comment on function refuse_archived is 'Fails when reading an aggregate after one version up to another would miss pruned ones.';
revoke all on function refuse_archived from public;
grant execute on function refuse_archived to app;

-- As in 0004, but never a shortened history, nor one with a hole where the database's clock was put back.
create or replace function read_aggregate(
    tenant        text,
    aggregate     uuid,
    after_version bigint,
    until_version bigint,
    occurred_by   timestamptz,
    recorded_by   timestamptz,
    most          integer
) returns setof event_store language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp set enable_seqscan = off set jit = off as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
begin
    perform set_config('millrace.tenant', tenant, true);
    perform refuse_archived(aggregate, after_version, until_version);
    return query
        select e.* from event_store as e
        where e.aggregate_id = aggregate
            and e.version > after_version
            and (until_version is null or e.version <= until_version)
            and (recorded_by is null or e.version <= (
                select max(t.version) from event_store as t
                where t.aggregate_id = aggregate and t.recorded_at <= recorded_by))
            and (occurred_by is null or e.version <= (
                select max(t.version) from event_store as t
                where t.aggregate_id = aggregate and t.occurred_at <= occurred_by))
        order by e.version
        limit most;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
