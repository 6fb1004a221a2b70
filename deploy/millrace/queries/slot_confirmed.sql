-- Whether the reader of a replication slot has confirmed the log up to a place, and whether the log it needs is gone.
select
    coalesce(confirmed_flush_lsn >= $2::pg_lsn, false) as confirmed,
    coalesce(wal_status = 'lost', false) as lost
from pg_replication_slots
where slot_name = $1 and database = current_database()
