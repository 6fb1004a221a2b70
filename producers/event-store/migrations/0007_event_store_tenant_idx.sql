-- Another tenant's aggregate costs what an unknown one costs: nothing of it is read before it is refused.
--
-- Without the tenant in the index, row-level security has to fetch each row of the aggregate in order to hide it, and the time
-- that takes tells how long its history is.

create index event_store_tenant_aggregate_version_idx on event_store (tenant_id, aggregate_id, version);
