-- Keys of data subjects, wrapped by a master key that the database never sees; destroying one erases its subject.

create table subject_key (
    tenant_id    text        not null,
    subject      text        not null,
    key_id       uuid        not null,
    wrapped      bytea,
    master       text,
    created_at   timestamptz not null default clock_timestamp(),
    destroyed_at timestamptz,
    destroyed_by bigint,

    constraint subject_key_pkey            primary key (key_id),
    constraint subject_key_audit_fkey      foreign key (destroyed_by) references store_audit (audit_id),
    constraint subject_key_tenant_check    check (tenant_id ~ '^[a-z][a-z0-9-]*$' and length(tenant_id) <= 63),
    constraint subject_key_subject_check   check (subject ~ '^[A-Za-z0-9_.:-]{1,128}$'),
    constraint subject_key_wrapped_check   check (octet_length(wrapped) <= 256),
    constraint subject_key_destroyed_check check (
        num_nulls(wrapped, master) in (0, 2) and num_nulls(destroyed_at, destroyed_by) in (0, 2)
        and (wrapped is null) = (destroyed_at is not null))
);

comment on table subject_key is 'Keys of data subjects, wrapped; a destroyed one leaves its name.';
comment on column subject_key.subject is 'The person, as the application names them; outlives the key.';
comment on column subject_key.key_id is 'The key''s name, as sealed fields carry it.';
comment on column subject_key.wrapped is 'The key, encrypted under the master key; null once it was destroyed.';
comment on column subject_key.master is 'Name of the master key.';
comment on column subject_key.destroyed_by is 'Who destroyed it and why.';

create unique index subject_key_live_key on subject_key (tenant_id, subject) where destroyed_at is null;
create index subject_key_tenant_idx on subject_key (tenant_id, subject);

alter table subject_key enable row level security;
alter table subject_key force row level security;
create policy subject_key_tenant on subject_key to owner, app
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
create policy subject_key_audit on subject_key for select to auditor using (true);
grant select on subject_key to app, auditor;

-- A key is wrapped anew or destroyed, under an audit of the same transaction; it never becomes another key.
create function subject_key_keeps() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    if old.destroyed_at is null
        and to_jsonb(new) - '{wrapped,master,destroyed_at,destroyed_by}'::text[]
            = to_jsonb(old) - '{wrapped,master,destroyed_at,destroyed_by}'::text[]
        and (new.destroyed_by is null or exists (
            select from store_audit as a
            where a.audit_id = new.destroyed_by and a.transaction_id = pg_current_xact_id()))
    then
        return new;
    end if;
    raise exception 'keys are wrapped anew or destroyed, under an audit: update of subject_key is refused'
        using errcode = 'restrict_violation';
end
$$;
revoke all on function subject_key_keeps() from public;
create trigger subject_key_keeps before update on subject_key for each row execute function subject_key_keeps();
alter table subject_key enable always trigger subject_key_keeps;

-- The subject's key; if it has none, the given one becomes it. One round trip that names its tenant.
create function ensure_subject_key(tenant text, of_subject text, new_key uuid, new_wrapped bytea, new_master text)
returns setof subject_key language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
begin
    perform set_config('millrace.tenant', tenant, true);
    -- Again when an erasure comes in between.
    for attempt in 1 .. 10 loop
        return query
            select k.* from subject_key as k
            where k.tenant_id = tenant and k.subject = of_subject and k.destroyed_at is null;
        exit when found;
        insert into subject_key (tenant_id, subject, key_id, wrapped, master)
        values (tenant, of_subject, new_key, new_wrapped, new_master)
        on conflict (tenant_id, subject) where destroyed_at is null do nothing;
    end loop;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
comment on function ensure_subject_key is 'A data subject''s key, made if it is missing.';
revoke all on function ensure_subject_key from public;
grant execute on function ensure_subject_key to app;

-- The tenant's key of that name, which may be destroyed.
create function find_subject_key(tenant text, wanted uuid) returns setof subject_key
language plpgsql volatile security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
begin
    perform set_config('millrace.tenant', tenant, true);
    return query select k.* from subject_key as k where k.key_id = wanted;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
comment on function find_subject_key is 'A tenant''s key by its name.';
revoke all on function find_subject_key from public;
grant execute on function find_subject_key to app;

-- Destroys the key of one data subject, or of every subject of the tenant (of_subject null), under one audit row; returns
-- what it destroyed, which is nothing the second time.
create function destroy_subject_keys(tenant text, of_subject text, action text, actor text, why text, details jsonb default '{}')
returns setof subject_key language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    doomed      uuid[];
    audit       bigint;
begin
    perform set_config('millrace.tenant', tenant, true);
    select array_agg(locked.key_id) into doomed
    from (
        select k.key_id from subject_key as k
        where k.tenant_id = tenant and k.destroyed_at is null and (of_subject is null or k.subject = of_subject)
        for update
    ) as locked;
    if doomed is not null then
        insert into store_audit as a (tenant_id, action, actor, reason, details)
        values (tenant, destroy_subject_keys.action, destroy_subject_keys.actor, why,
            details || jsonb_strip_nulls(jsonb_build_object('subject', of_subject, 'keys', cardinality(doomed))))
        returning a.audit_id into audit;
        return query
            update subject_key as k
            set wrapped = null, master = null, destroyed_at = clock_timestamp(), destroyed_by = audit
            where k.key_id = any (doomed)
            returning k.*;
    end if;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
comment on function destroy_subject_keys is 'Erases data subjects by destroying their keys, audited.';
revoke all on function destroy_subject_keys from public;

-- Keys wrapped anew; each only if it still is as the caller saw it. Returns how many.
create function rewrap_subject_keys(
    tenant text, actor text, why text, key_ids uuid[], old_wrapped bytea[], new_wrapped bytea[], new_master text
) returns bigint language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    rewrapped   bigint;
begin
    perform set_config('millrace.tenant', tenant, true);
    update subject_key as k set wrapped = n.new, master = new_master
    from unnest(key_ids, old_wrapped, new_wrapped) as n(key_id, old, new)
    where k.key_id = n.key_id and k.wrapped = n.old;
    get diagnostics rewrapped = row_count;
    if rewrapped > 0 then
        insert into store_audit (tenant_id, action, actor, reason, details)
        values (tenant, 'rotate-keys', rewrap_subject_keys.actor, why,
            jsonb_build_object('keys', rewrapped, 'master', new_master));
    end if;
    perform set_config('millrace.tenant', callers_own, true);
    return rewrapped;
end
$$;
comment on function rewrap_subject_keys is 'Keys of data subjects under another master key, audited.';
revoke all on function rewrap_subject_keys from public;
