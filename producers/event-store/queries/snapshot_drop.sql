-- Deletes every snapshot of these aggregates of a tenant; of all its aggregates where none is named.
delete from snapshot where tenant_id = $1 and ($2::uuid[] is null or aggregate_id = any ($2))
