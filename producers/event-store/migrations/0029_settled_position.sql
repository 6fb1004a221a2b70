-- Settled is what is visible: a sequence forgets what it gave when the server crashes before its log is on disk.
--
-- An append that takes a position and rolls back leaves no more than that number in the sequence, and nobody waits for it
-- to be on disk. A follower that had passed it would miss the event that takes the same position after the crash. A
-- visible row's commit is on disk, and with it every number up to its own (as long as appends commit synchronously), so
-- nobody passes the last visible row. A gap at the very end stays unsettled until an event is stored behind it.

-- The highest position that an event has, or had before its whole tenant was removed; it never falls. No other way of
-- pruning takes the last event of a stream.
create function head_position() returns bigint language sql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
    select greatest(
        0, (select max(e.position) from event_store as e),
        (select max(p.last_position) from pruned as p where p.reason = 'tenant-removed'))
$$;

comment on function head_position is 'The highest position that an event has, or had before its tenant was removed.';

revoke all on function head_position from public;
grant execute on function head_position to auditor;

-- Up to here no transaction, live or prepared, can still write: what settled_position() was (0004). An answer may be lower
-- than one before it: an appender announces what it saw of the sequence a moment ago.
alter function settled_position() rename to ended_position;

comment on function ended_position is 'No transaction can still write at or below this position, which may be one that nobody has.';

create function settled_position() returns bigint language plpgsql volatile security invoker
set search_path = pg_catalog, public, pg_temp as $$
declare
    ended bigint := ended_position();
begin
    -- Whatever became visible since lies beyond `ended`.
    return least(ended, head_position());
end
$$;

comment on function settled_position is
    'The position up to which the store has settled: nothing new appears there. Read it in one statement and the rows in a later one.';

revoke all on function settled_position from public;
grant execute on function settled_position to auditor;
