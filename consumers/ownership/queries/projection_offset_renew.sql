-- Takes partitions again that are still ours; whatever an old connection has in flight is fenced off.
with ours as (
    select o.partition, o.epoch
    from projection_offset o
    join unnest($3::integer[], $4::bigint[]) as x (partition, epoch)
        on x.partition = o.partition and x.epoch = o.epoch
    where o.projection = $1 and o.topic = $2
    order by o.partition
    for update of o
)
update projection_offset o
set epoch = o.epoch + 1, updated_at = clock_timestamp()
from ours
where o.projection = $1 and o.topic = $2 and o.partition = ours.partition
returning o.partition, o.epoch, o.next_offset,
    case when o.read_offset = o.next_offset - 1 then o.read_fingerprint end as fingerprint, o.parkings
