-- Where a key of a projection is parked.
select topic, partition, state
from parked_key
where projection = $1 and key = $2
order by topic, partition
