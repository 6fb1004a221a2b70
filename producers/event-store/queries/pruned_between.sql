-- Of the aggregates of which something between two positions left the store and did not come back, every range that did.
select tenant_id, aggregate_id, aggregate_type, from_version, to_version, reason, digest, last_position
from pruned
where restored_by is null
  and aggregate_id in (
      select p.aggregate_id from pruned as p
      where p.restored_by is null and p.last_position > $1 and p.last_position <= $2
  )
order by aggregate_id, from_version
