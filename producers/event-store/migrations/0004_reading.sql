-- Reading: one aggregate as its tenant, or the whole store as auditor.

-- An aggregate's events after a version, up to a version and a moment; one round trip that names its tenant.
--
-- A moment includes every event before the last one that had happened by then: an event's own clock may be ahead, but
-- what a later event builds on had happened too.
create function read_aggregate(
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
    return query
        select e.* from event_store as e
        where e.aggregate_id = aggregate
            and e.version > after_version
            and (until_version is null or e.version <= until_version)
            and (recorded_by is null or e.recorded_at <= recorded_by)
            and (occurred_by is null or e.version <= (
                select max(t.version) from event_store as t
                where t.aggregate_id = aggregate and t.occurred_at <= occurred_by))
        order by e.version
        limit most;
    perform set_config('millrace.tenant', callers_own, true);
end
$$;

comment on function read_aggregate is 'Events of one aggregate of one tenant, in order.';

revoke all on function read_aggregate from public;
grant execute on function read_aggregate to app;

-- Up to here the store has settled: no transaction, live or prepared, can still write at or below this position.
--
-- Appenders take positions before they commit, so positions become visible out of order. Each announces the last
-- position it saw before it took its own, as a shared advisory lock (append_events); what was taken before the lowest
-- announcement belongs to transactions that have ended. Order matters here: the sequence first, the locks after it,
-- and the caller reads rows in a later statement. A transaction that appends nothing, or one of another database,
-- announces nothing and holds nobody back. A lock's key has room for half a position; the other half follows from
-- the announcement being near the sequence, before or after it.
create function settled_position() returns bigint language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
declare
    taken bigint;
    floor bigint;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'settled_position needs a read committed transaction' using errcode = 'feature_not_supported';
    end if;
    select case when s.is_called then s.last_value else 0 end into taken from event_store_position_seq as s;
    select min(taken - (taken - l.objid::bigint)::bit(32)::integer) into floor
    from pg_locks as l
    where l.locktype = 'advisory' and l.objsubid = 2 and l.classid::bigint = x'4d52'::bigint
        and l.database = (select d.oid from pg_database as d where d.datname = current_database());
    return least(taken, floor);
end
$$;

comment on function settled_position is
    'The position up to which the store will never change. Read it in one statement and the rows in a later one.';

revoke all on function settled_position from public;
grant execute on function settled_position to auditor;
grant select on sequence event_store_position_seq to auditor;
