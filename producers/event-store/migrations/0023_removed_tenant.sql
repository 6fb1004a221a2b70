-- Tenants on their way out: first everything of theirs is withdrawn, then, once that was delivered, it is purged.

create table removed_tenant (
    tenant_id     text        not null,
    begun_by      bigint      not null,
    begun_at      timestamptz not null default clock_timestamp(),
    withdrawn_at  timestamptz,
    withdrawn_lsn pg_lsn,
    purged_at     timestamptz,

    constraint removed_tenant_pkey        primary key (tenant_id),
    constraint removed_tenant_audit_fkey  foreign key (begun_by) references store_audit (audit_id),
    constraint removed_tenant_steps_check check (
        num_nulls(withdrawn_at, withdrawn_lsn) in (0, 2) and (purged_at is null or withdrawn_at is not null))
);

comment on table removed_tenant is 'Tenants that were removed, or are being; their names are not used again.';
comment on column removed_tenant.begun_by is 'Who removes it and why.';
comment on column removed_tenant.begun_at is 'From then on nothing of theirs is appended but withdrawals.';
comment on column removed_tenant.withdrawn_at is 'When every stream of theirs had been withdrawn.';
comment on column removed_tenant.withdrawn_lsn is 'Where the log was then: whoever has read it up to here has every withdrawal.';
comment on column removed_tenant.purged_at is 'When the last of their rows was gone.';

create trigger removed_tenant_stays before delete or truncate on removed_tenant
    for each statement execute function refuse_change();
alter table removed_tenant enable always trigger removed_tenant_stays;

alter table removed_tenant enable row level security;
alter table removed_tenant force row level security;
create policy removed_tenant_tenant on removed_tenant to owner, app
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
create policy removed_tenant_audit on removed_tenant for select to auditor using (true);
grant select on removed_tenant to app, auditor;

-- Nothing is stored for a tenant that goes, but the withdrawals that take its streams back; nothing at all once it is gone.
create function event_store_refuse_removed() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
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
revoke all on function event_store_refuse_removed() from public;
create trigger event_store_refuses_removed after insert on event_store referencing new table as appended
    for each statement execute function event_store_refuse_removed();
alter table event_store enable always trigger event_store_refuses_removed;

-- A removed tenant's subjects get no new keys, and no key's row goes before its tenant does.
create function subject_key_of_removed() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        if exists (select from removed_tenant as r where r.tenant_id = new.tenant_id) then
            raise exception 'tenant % was removed', new.tenant_id
                using errcode = 'integrity_constraint_violation', constraint = 'tenant_is_removed';
        end if;
        return new;
    end if;
    if not exists (select from removed_tenant as r where r.tenant_id = old.tenant_id and r.withdrawn_at is not null) then
        raise exception 'keys are destroyed, not deleted: delete of subject_key is refused' using errcode = 'restrict_violation';
    end if;
    return old;
end
$$;
revoke all on function subject_key_of_removed() from public;
create trigger subject_key_of_removed before insert or delete on subject_key
    for each row execute function subject_key_of_removed();
create trigger subject_key_is_not_truncated before truncate on subject_key
    for each statement execute function refuse_change();
alter table subject_key enable always trigger subject_key_of_removed;
alter table subject_key enable always trigger subject_key_is_not_truncated;

-- Begins to remove a tenant; the second time it changes nothing. An append that began before may still commit: the caller
-- waits for ended_position() to reach the position that was last taken.
create function begin_tenant_removal(tenant text, actor text, why text) returns bigint language plpgsql volatile
security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    audit       bigint;
begin
    perform set_config('millrace.tenant', tenant, true);
    perform pg_advisory_xact_lock(hashtextextended('removed_tenant ' || tenant, 0));
    if not exists (select from removed_tenant as r where r.tenant_id = tenant) then
        insert into store_audit as a (tenant_id, action, actor, reason)
        values (tenant, 'remove-tenant', begin_tenant_removal.actor, why) returning a.audit_id into audit;
        insert into removed_tenant (tenant_id, begun_by) values (tenant, audit);
    end if;
    perform set_config('millrace.tenant', callers_own, true);
    return audit;
end
$$;
comment on function begin_tenant_removal is 'Stops appends for a tenant, audited; returns the audit row the first time.';
revoke all on function begin_tenant_removal from public;

-- Every row of a tenant whose events are gone, in whatever table names its tenant: also in tables made later than this.
-- What says that it was there stays: audit, pruned ranges and the removal itself. Returns rows per table.
create function purge_tenant_rows(tenant text, actor text, why text) returns jsonb language plpgsql volatile
security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    counts      jsonb := '{}';
    affected    bigint;
    tenant_table regclass;
begin
    perform set_config('millrace.tenant', tenant, true);
    if not exists (select from removed_tenant as r where r.tenant_id = tenant and r.withdrawn_at is not null) then
        raise exception 'tenant % was not withdrawn', tenant
            using errcode = 'restrict_violation', constraint = 'tenant_not_withdrawn';
    end if;
    if exists (select from event_store as e where e.tenant_id = tenant) then
        raise exception 'tenant % still has events', tenant
            using errcode = 'restrict_violation', constraint = 'tenant_not_pruned';
    end if;
    for tenant_table in
        select c.oid from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and c.relname not in ('event_store', 'store_audit', 'pruned', 'removed_tenant')
        order by c.relname
    loop
        execute format('delete from %s where tenant_id = $1', tenant_table) using tenant;
        get diagnostics affected = row_count;
        if affected > 0 then
            counts := counts || jsonb_build_object(tenant_table::text, affected);
        end if;
    end loop;
    update removed_tenant as r set purged_at = coalesce(r.purged_at, clock_timestamp()) where r.tenant_id = tenant;
    insert into store_audit (tenant_id, action, actor, reason, details)
    values (tenant, 'purge-tenant', purge_tenant_rows.actor, why, jsonb_build_object('rows', counts));
    perform set_config('millrace.tenant', callers_own, true);
    return counts;
end
$$;
comment on function purge_tenant_rows is 'The last step of a tenant''s removal, audited.';
revoke all on function purge_tenant_rows from public;
