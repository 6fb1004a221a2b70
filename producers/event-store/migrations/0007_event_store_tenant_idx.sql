-- Another tenant's aggregate costs what an unknown one costs: nothing of it is read before it is refused.
--
-- A history is found by aggregate and tenant together, and by no other index, whatever the planner believes about the number
-- of tenants: by the aggregate alone, row-level security has to fetch each row of a foreign history in order to hide it, and
-- the time that takes tells how long the history is; by the tenant first, the planner may take the index for any question.
-- So the versions stay unique by an index over an expression, which is of no use for finding a history.

create index event_store_aggregate_tenant_version_idx on event_store (aggregate_id, tenant_id, version);

alter table event_store drop constraint event_store_aggregate_version_key;
create unique index event_store_aggregate_version_key on event_store (uuid_send(aggregate_id), version);
