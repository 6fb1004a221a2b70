-- Of the aggregates of which something beyond a position left the store, every range that did.
select aggregate_id, aggregate_type, tenant_id, from_version, to_version, digest
from pruned
where restored_by is null
  and aggregate_id in (select p.aggregate_id from pruned as p where p.restored_by is null and p.last_position > $1)
order by aggregate_id, from_version
