-- A backup that was made while a tenant was being removed is restored as it was: the removal then goes on.
--
-- Only a restored backup is exempt, by its audit row (0030): what an archive or the topic has of a removed tenant stays out.

create or replace function event_store_refuse_removed() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    if current_setting('millrace.restoration', true) <> '' and is_restoring('{restore-backup}') then
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

create or replace function subject_key_of_removed() returns trigger language plpgsql
set search_path = pg_catalog, public, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        if exists (select from removed_tenant as r where r.tenant_id = new.tenant_id)
            and not (current_setting('millrace.restoration', true) <> '' and is_restoring('{restore-backup}'))
        then
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
