-- A replication slot, wherever it belongs, and how much log it holds back.
select
    slot_name::text as name,
    database::text as database,
    plugin::text as plugin,
    coalesce(database = current_database() and plugin = 'pgoutput', false) as ours,
    active,
    coalesce(wal_status = 'lost', false) as lost,
    wal_status,
    confirmed_flush_lsn::text as confirmed_flush_lsn,
    (confirmed_flush_lsn - '0/0'::pg_lsn)::bigint as confirmed_flush_bytes,
    pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint as retained_bytes,
    pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint as unconfirmed_bytes
from pg_replication_slots
where slot_name = $1
