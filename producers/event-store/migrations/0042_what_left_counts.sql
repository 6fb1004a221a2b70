-- What left the store still counts: an id whose first versions were pruned stays taken for every other tenant, a removed tenant
-- begins no import, and no value of a stream's metadata outlives its tenant in the audit.

create table pruned_aggregate (
    aggregate_id uuid not null,

    constraint pruned_aggregate_pkey primary key (aggregate_id)
);

comment on table pruned_aggregate is 'Ids of aggregates that pruned names, whosever they are; no tenant may read it.';
grant select on pruned_aggregate to auditor;

create function pruned_id_stays() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into pruned_aggregate (aggregate_id) values (new.aggregate_id) on conflict do nothing;
    return null;
end
$$;
revoke all on function pruned_id_stays() from public;
create trigger pruned_id_stays after insert on pruned for each row execute function pruned_id_stays();
alter table pruned enable always trigger pruned_id_stays;

alter table pruned no force row level security;
insert into pruned_aggregate (aggregate_id) select distinct p.aggregate_id from pruned as p;
alter table pruned force row level security;

create trigger pruned_aggregate_is_immutable before update or delete or truncate on pruned_aggregate
    for each statement execute function refuse_change();
alter table pruned_aggregate enable always trigger pruned_aggregate_is_immutable;

-- As in 0031; and a first version is refused as a stored one would refuse it, by the same name, where the id is another
-- tenant's whose first versions left.
create or replace function event_store_refuse_removed() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    if exists (
        select from appended as a join pruned_aggregate as p on p.aggregate_id = a.aggregate_id
        where a.version = 1 and not exists (select from pruned as own where own.aggregate_id = a.aggregate_id))
    then
        raise exception 'an aggregate''s id is taken'
            using errcode = 'unique_violation', constraint = 'event_store_aggregate_version_key';
    end if;
    if coalesce(current_setting('millrace.restoration', true), '') <> '' and is_restoring('{restore-backup}') then
        return null;
    end if;
    if exists (
        select from removed_tenant as r
        where r.tenant_id = current_setting('millrace.tenant', true)
            and (r.purged_at is not null or exists (select from appended as a where a.event_type !~ 'Withdrawn$')))
    then
        raise exception 'tenant % was removed', current_setting('millrace.tenant', true)
            using errcode = 'integrity_constraint_violation', constraint = 'tenant_is_removed';
    end if;
    return null;
end
$$;

create function import_run_refuse_removed() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    if exists (select from removed_tenant as r where r.tenant_id = new.tenant_id)
        and not (coalesce(current_setting('millrace.restoration', true), '') <> '' and is_restoring('{restore-backup}'))
    then
        raise exception 'tenant % was removed', new.tenant_id
            using errcode = 'integrity_constraint_violation', constraint = 'tenant_is_removed';
    end if;
    return new;
end
$$;
revoke all on function import_run_refuse_removed() from public;
create trigger import_run_refuses_removed before insert on import_run
    for each row execute function import_run_refuse_removed();

-- As in 0024, but the audit says which keys changed, not from what.
create or replace function set_stream_metadata(tenant text, aggregate uuid, expected bigint, new_metadata jsonb, actor text)
returns table (outcome text, revision bigint, metadata jsonb) language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    known       stream_metadata;
begin
    perform set_config('millrace.tenant', tenant, true);
    perform pg_advisory_xact_lock(hashtextextended('stream_metadata ' || aggregate, 0));
    select m.* into known from stream_metadata as m where m.aggregate_id = aggregate;
    if coalesce(known.revision, 0) <> expected then
        return query select 'conflict', coalesce(known.revision, 0), known.metadata;
    elsif not exists (select from event_store as e where e.aggregate_id = aggregate) then
        return query select 'unknown', 0::bigint, null::jsonb;
    else
        insert into stream_metadata as m (tenant_id, aggregate_id, revision, metadata, set_at, set_by)
        values (tenant, aggregate, expected + 1, new_metadata, clock_timestamp(), actor)
        on conflict (aggregate_id) do update
        set revision = excluded.revision, metadata = excluded.metadata, set_at = excluded.set_at, set_by = excluded.set_by;
        insert into store_audit (tenant_id, action, actor, reason, details)
        select tenant, 'set-metadata', set_stream_metadata.actor, 'stream metadata was set', jsonb_build_object(
            'aggregate_id', aggregate, 'revision', expected + 1, 'changed', coalesce(jsonb_agg(key order by key), '[]'))
        from jsonb_each(coalesce(known.metadata, '{}')) as before full join jsonb_each(new_metadata) as after using (key)
        where before.value is distinct from after.value;
        return query select 'set', expected + 1, new_metadata;
    end if;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
