-- What was pruned because its aggregate was withdrawn is not missed: a withdrawal takes the state back to before the first
-- event, so the history that counts begins with it, and a load begins there on purpose. What is in an archive and counts
-- still refuses; so does whoever asks for a version or a moment that lies before such a withdrawal.

create or replace function refuse_archived(aggregate uuid, after_version bigint, until_version bigint)
returns void language plpgsql stable security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    through   bigint;
    withdrawn bigint;
begin
    select max(p.to_version) filter (where p.reason = 'archived'),
        coalesce(max(p.to_version) filter (where p.reason = 'withdrawn'), 0)
    into through, withdrawn
    from pruned as p where p.aggregate_id = aggregate and p.restored_by is null;
    if through > after_version and through > withdrawn and (until_version is null or until_version > after_version) then
        raise exception 'versions up to % of aggregate % are archived', through, aggregate
            using errcode = 'no_data_found', constraint = 'event_store_is_archived',
                detail = format('%s %s', withdrawn + 1, through);
    end if;
end
$$;

-- Refuses to answer with nothing what lies wholly before a withdrawal whose past is gone. `until` is the last version that
-- is wanted and was found, null where none was.
create function refuse_withdrawn(aggregate uuid, after_version bigint, until bigint)
returns void language plpgsql stable security invoker set search_path = pg_catalog, public, pg_temp as $$
declare
    withdrawn bigint;
    removed   boolean;
begin
    select max(p.to_version) filter (where p.reason = 'withdrawn'), bool_or(p.reason = 'tenant-removed')
    into withdrawn, removed
    from pruned as p where p.aggregate_id = aggregate and p.restored_by is null;
    if not removed and withdrawn > after_version and withdrawn >= coalesce(until, 0) then
        raise exception 'versions up to % of aggregate % were withdrawn and are gone', withdrawn, aggregate
            using errcode = 'no_data_found', constraint = 'event_store_is_withdrawn', detail = withdrawn::text;
    end if;
end
$$;

comment on function refuse_withdrawn is 'Fails when a version or a moment that is asked for lies in a withdrawn and pruned past.';
revoke all on function refuse_withdrawn from public;
grant execute on function refuse_withdrawn to app;

-- As in 0021, and up to a place in the whole store where that is asked.
drop function read_aggregate(text, uuid, bigint, bigint, timestamptz, timestamptz, integer);

create function read_aggregate(
    tenant         text,
    aggregate      uuid,
    after_version  bigint,
    until_version  bigint,
    occurred_by    timestamptz,
    recorded_by    timestamptz,
    until_position bigint,
    most           integer
) returns setof event_store language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp set enable_seqscan = off set jit = off as $$
declare
    callers_own text   := current_setting('millrace.tenant', true);
    last        bigint := until_version;
begin
    perform set_config('millrace.tenant', tenant, true);
    perform refuse_archived(aggregate, after_version, until_version);
    if num_nonnulls(occurred_by, recorded_by, until_position) > 0 then
        select coalesce(max(e.version), 0) into last from event_store as e
        where e.aggregate_id = aggregate
            and (occurred_by is null or e.occurred_at <= occurred_by)
            and (recorded_by is null or e.recorded_at <= recorded_by)
            and (until_position is null or e.position <= until_position);
        perform refuse_withdrawn(aggregate, after_version, last);
    elsif until_version > after_version then
        perform refuse_withdrawn(aggregate, after_version, until_version);
    end if;
    return query
        select e.* from event_store as e
        where e.aggregate_id = aggregate and e.version > after_version and (last is null or e.version <= last)
        order by e.version
        limit most;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;

comment on function read_aggregate is 'Events of one aggregate of one tenant, in order.';
revoke all on function read_aggregate from public;
grant execute on function read_aggregate to app;
