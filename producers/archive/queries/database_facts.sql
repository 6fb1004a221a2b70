-- What was true of the database when a snapshot of it was taken.
select
    current_database()::text as name,
    current_setting('server_version') as server,
    pg_current_wal_insert_lsn()::text as lsn,
    to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now,
    case when s.is_called then s.last_value else 0 end as last_position
from event_store_position_seq as s
