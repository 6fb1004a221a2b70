-- Rolling an import back: which aggregates it made, and how far it has come.

-- The aggregates that a run stored events of, with what is stored of them now. `last_cause` is the cause of an
-- aggregate's last event: the roll-back's own when it was withdrawn already. `before_type` is the type of the event before the
-- run's first: none, or the withdrawal that ended an earlier life.
create function read_import_aggregates(tenant text, run uuid)
returns table (
    aggregate_id uuid, aggregate_type text, from_version bigint, to_version bigint, first_version bigint,
    last_version bigint, last_cause text, before_type text
) language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp set jit = off as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    begun       import_run;
begin
    perform set_config('millrace.tenant', tenant, true);
    select * into begun from import_run as i where i.run_id = run and i.tenant_id = tenant;
    return query
        with made as (
            select e.aggregate_id, e.aggregate_type, min(e.version) as from_version, max(e.version) as to_version
            from event_store as e
            where e.position > begun.begun_position
                and e.position <= coalesce(begun.finished_position, 9223372036854775807)
                and e.tenant_id = tenant and e.metadata ->> 'causation_id' = run::text
            group by e.aggregate_id, e.aggregate_type
        )
        select m.aggregate_id, m.aggregate_type, m.from_version, m.to_version,
            (select e.version from event_store as e where e.aggregate_id = m.aggregate_id order by e.version limit 1),
            last.version, last.metadata ->> 'causation_id',
            (select e.event_type from event_store as e where e.aggregate_id = m.aggregate_id and e.version = m.from_version - 1)
        from made as m
        cross join lateral (
            select e.version, e.metadata from event_store as e
            where e.aggregate_id = m.aggregate_id order by e.version desc limit 1
        ) as last
        order by m.aggregate_id;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;
comment on function read_import_aggregates is 'The aggregates that an import stored events of, and where they stand.';
revoke all on function read_import_aggregates from public;
grant execute on function read_import_aggregates to app;

-- Moves a run on: done or running -> rolling-back -> rolled-back; audited when it ends. Only the owner.
create function import_run_roll_back(tenant text, run uuid, ended boolean, actor text, why text, events bigint)
returns text language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
declare
    callers_own text := current_setting('millrace.tenant', true);
    was         text;
begin
    perform set_config('millrace.tenant', tenant, true);
    select i.state into was from import_run as i where i.run_id = run and i.tenant_id = tenant for update;
    if was <> 'rolled-back' then
        update import_run as i set
            state = case when ended then 'rolled-back' else 'rolling-back' end,
            noted_at = clock_timestamp()
        where i.run_id = run;
        insert into store_audit (tenant_id, action, actor, reason, events, details)
        values (tenant, case when ended then 'import-rolled-back' else 'import-roll-back' end,
            import_run_roll_back.actor, why, import_run_roll_back.events, jsonb_build_object('run_id', run));
    end if;
    perform set_config('millrace.tenant', callers_own, true);
    return was;
end
$$;
comment on function import_run_roll_back is 'Says that an import is being rolled back, or has been; answers what it was before.';
revoke all on function import_run_roll_back from public;
