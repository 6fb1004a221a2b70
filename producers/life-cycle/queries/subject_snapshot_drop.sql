-- Drops every snapshot of some of the tenant's aggregates.
delete from snapshot where tenant_id = $1 and aggregate_id = any ($2)
