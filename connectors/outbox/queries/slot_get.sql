-- A replication slot, wherever it belongs, and how much log it holds back.
select
    slot_name::text as name,
    database::text as database,
    plugin::text as plugin,
    coalesce(database = current_database() and plugin = 'pgoutput', false) as ours,
    active,
    coalesce(wal_status = 'lost', false) as lost,
    confirmed_flush_lsn::text as confirmed_flush_lsn,
    pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as retained_bytes
from pg_replication_slots
where slot_name = $1
