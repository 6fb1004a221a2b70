-- Imports of existing data: which were begun, from where the store stood, and what became of them.
--
-- Events of a run name it as their cause (metadata causation_id), so what a run stored is said by the events themselves;
-- a row here says what was read, and is where a run that was killed goes on.

create table import_run (
    run_id            uuid        not null,
    tenant_id         text        not null,
    mapping_name      text        not null,
    mapping           text        not null,
    source            text        not null,
    actor             text        not null,
    state             text        not null default 'running',
    begun_at          timestamptz not null default clock_timestamp(),
    begun_position    bigint      not null,
    begun_aggregates  bigint      not null,
    begun_events      bigint      not null,
    noted_at          timestamptz not null default clock_timestamp(),
    finished_position bigint,
    counts            jsonb       not null default '{}',
    backup            text,
    backup_sha256     text,

    constraint import_run_pkey          primary key (run_id),
    constraint import_run_tenant_check  check (tenant_id ~ '^[a-z][a-z0-9-]*$' and length(tenant_id) <= 63),
    constraint import_run_state_check   check (state in ('running', 'done', 'rolling-back', 'rolled-back')),
    constraint import_run_mapping_check check (length(mapping) <= 1048576),
    constraint import_run_counts_check  check (jsonb_typeof(counts) = 'object'),
    constraint import_run_backup_check  check ((backup is null) = (backup_sha256 is null))
);

comment on table import_run is 'Every import of existing data.';
comment on column import_run.run_id is 'The cause that its events name.';
comment on column import_run.mapping is 'The mapping file as it was.';
comment on column import_run.source is 'What its rows came from; no password.';
comment on column import_run.begun_position is 'The store''s last position before it: what it stored comes after.';
comment on column import_run.begun_aggregates is 'How many aggregates the tenant had before it.';
comment on column import_run.begun_events is 'How many events the tenant had before it.';
comment on column import_run.noted_at is 'When it was last heard of.';
comment on column import_run.finished_position is 'The store''s last position after it; null while it runs.';
comment on column import_run.counts is 'Rows read, applied, rejected; events appended and present.';
comment on column import_run.backup is 'The folder of the backup that was made before it; null where none was asked for.';
comment on column import_run.backup_sha256 is 'The SHA-256 of that backup''s manifest, which vouches for all of it.';

create index import_run_tenant_idx on import_run (tenant_id, begun_at);

alter table import_run enable row level security;
alter table import_run force row level security;
create policy import_run_tenant on import_run to owner, app
    using (tenant_id = current_setting('millrace.tenant', true))
    with check (tenant_id = current_setting('millrace.tenant', true));
create policy import_run_audit on import_run for select to auditor using (true);
grant select on import_run to app, auditor;

-- Begins a run, or goes on with the one that did not end: same tenant, mapping and source.
create function import_run_begin(tenant text, run uuid, mapping_name text, mapping text, source text, actor text)
returns import_run language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    begun       import_run;
begin
    perform set_config('millrace.tenant', tenant, true);
    -- Two that begin the same at once go on with the same run.
    perform pg_advisory_xact_lock(hashtextextended('import_run/' || tenant, 0));
    select * into begun from import_run as i
    where i.tenant_id = tenant and i.state = 'running'
        and i.mapping = import_run_begin.mapping and i.source = import_run_begin.source
    order by i.begun_at limit 1;
    if not found then
        insert into import_run as i (
            run_id, tenant_id, mapping_name, mapping, source, actor, begun_position, begun_aggregates, begun_events)
        select run, tenant, import_run_begin.mapping_name, import_run_begin.mapping, import_run_begin.source,
            import_run_begin.actor, (select case when s.is_called then s.last_value else 0 end from event_store_position_seq as s),
            count(distinct e.aggregate_id), count(*)
        from event_store as e where e.tenant_id = tenant
        returning i.* into begun;
    end if;
    perform set_config('millrace.tenant', callers_own, true);
    return begun;
end
$$;
comment on function import_run_begin is 'Begins an import, or goes on with the one of the same mapping and source that did not end.';
revoke all on function import_run_begin from public;
grant execute on function import_run_begin to app;

-- Notes how far a run has come, and that it is done.
create function import_run_note(tenant text, run uuid, done boolean, counts jsonb)
returns boolean language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    runs        boolean;
begin
    perform set_config('millrace.tenant', tenant, true);
    update import_run as i set
        counts = import_run_note.counts,
        noted_at = clock_timestamp(),
        state = case when done then 'done' else 'running' end,
        finished_position = case when done then (select s.last_value from event_store_position_seq as s) end
    where i.run_id = run and i.tenant_id = tenant and i.state = 'running';
    runs := found;
    perform set_config('millrace.tenant', callers_own, true);
    return runs;
end
$$;
comment on function import_run_note is 'Notes how far an import has come; false when it does not run.';
revoke all on function import_run_note from public;
grant execute on function import_run_note to app;

-- Notes the backup that was made before a run stored anything; the first that is noted stays.
create function import_run_backed_up(tenant text, run uuid, backup text, sha256 text)
returns boolean language plpgsql volatile security definer
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    noted       boolean;
begin
    perform set_config('millrace.tenant', tenant, true);
    update import_run as i set backup = import_run_backed_up.backup, backup_sha256 = sha256
    where i.run_id = run and i.tenant_id = tenant and i.state = 'running' and i.backup is null;
    noted := found;
    perform set_config('millrace.tenant', callers_own, true);
    return noted;
end
$$;
comment on function import_run_backed_up is 'Notes an import''s backup; false when it has one, or does not run.';
revoke all on function import_run_backed_up from public;
grant execute on function import_run_backed_up to app;

-- A tenant's runs, the newest first.
create function read_import_runs(tenant text)
returns setof import_run language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
begin
    perform set_config('millrace.tenant', tenant, true);
    return query select i.* from import_run as i where i.tenant_id = tenant order by i.begun_at desc;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
comment on function read_import_runs is 'A tenant''s imports, the newest first.';
revoke all on function read_import_runs from public;
grant execute on function read_import_runs to app;
