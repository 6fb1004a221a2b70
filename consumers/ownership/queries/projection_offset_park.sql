-- Counts one parking in each of these partitions that has seen all before it, and notes how far the flush gets that parks.
with ours as (
    select o.partition, x.next_offset
    from projection_offset o
    join unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[]) as x (partition, epoch, parkings, next_offset)
        on x.partition = o.partition and x.epoch = o.epoch and x.parkings = o.parkings
    where o.projection = $1 and o.topic = $2
    order by o.partition
    for update of o
)
update projection_offset o
set parkings = o.parkings + 1, next_offset = ours.next_offset, updated_at = clock_timestamp()
from ours
where o.projection = $1 and o.topic = $2 and o.partition = ours.partition
returning o.partition
