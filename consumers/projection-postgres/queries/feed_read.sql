-- What comes after a place, up to where the feed has settled.
select id, tenant_id, aggregate_ids, reset
from projection_change
where projection = $1 and id > $2 and id <= $3
order by id
limit $4
