-- Ends the readers of this database's replication slots and drops the slots; without them it can be dropped.
select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database() and active;

do $slots$
declare
    slot name;
begin
    for attempt in 1..100 loop
        exit when not exists (select from pg_replication_slots where database = current_database() and active);
        perform pg_sleep(0.05);
    end loop;
    for slot in select slot_name from pg_replication_slots where database = current_database() loop
        perform pg_drop_replication_slot(slot);
    end loop;
end
$slots$;
