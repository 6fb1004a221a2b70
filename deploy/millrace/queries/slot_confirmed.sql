-- Whether the reader of a replication slot has confirmed the log up to a place.
select coalesce(confirmed_flush_lsn >= $2::pg_lsn, false) from pg_replication_slots
where slot_name = $1 and database = current_database()
