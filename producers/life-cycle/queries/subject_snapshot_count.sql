-- How many snapshots there are of some of the tenant's aggregates.
select count(*) from snapshot where tenant_id = $1 and aggregate_id = any ($2)
