-- Another tenant's aggregate costs what an unknown one costs: nothing of it is read before it is refused.
--
-- An aggregate is found by an index that begins with the tenant, and by no other: with one that begins with the aggregate,
-- row-level security has to fetch each row of a foreign history in order to hide it, and the time that takes tells how long
-- the history is. So the versions stay unique by an index over an expression, which is of no use for finding a history,
-- whatever the planner believes about the number of tenants.

create index event_store_tenant_aggregate_version_idx on event_store (tenant_id, aggregate_id, version);

alter table event_store drop constraint event_store_aggregate_version_key;
create unique index event_store_aggregate_version_key on event_store (uuid_send(aggregate_id), version);
