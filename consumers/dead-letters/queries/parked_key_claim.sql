-- What is parked in these partitions; the owner keeps it in memory, since nobody else changes it.
select k.partition, k.key, k.tenant_id, k.first_offset,
       (select count(*) from parked_event e
        where e.projection = k.projection and e.topic = k.topic and e.partition = k.partition and e.key = k.key
          and e.released_at is null) as events
from parked_key k
where k.projection = $1 and k.topic = $2 and k.partition = any ($3::integer[])
