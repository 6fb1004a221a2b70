-- Every parked key of a projection, the longest parked first.
select k.projection, k.topic, k.partition, k.key, k.tenant_id, k.state, k.reason, k.message, k.first_offset, k.attempts,
       k.parked_at, count(e.record_offset) as events
from parked_key k
left join parked_event e
    on e.projection = k.projection and e.topic = k.topic and e.partition = k.partition and e.key = k.key
   and e.released_at is null
where $1::text is null or k.projection = $1
group by k.projection, k.topic, k.partition, k.key
order by k.parked_at, k.projection, k.partition, k.key
limit $2
