-- The migrations that a database has, of every crate that migrates it.
select 'event_store/' || version as name, encode(checksum, 'hex') as checksum from event_store_migration where success
union all
select 'outbox/' || version, encode(checksum, 'hex') from outbox_migration where success
