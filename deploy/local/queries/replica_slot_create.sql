-- The log that a standby has not read yet is kept for it, also while it is down.
select pg_create_physical_replication_slot('replica')
where not exists (select from pg_replication_slots where slot_name = 'replica');
