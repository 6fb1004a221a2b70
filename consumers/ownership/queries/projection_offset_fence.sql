-- Moves the offsets of the partitions that are ours and stand where we think; the others match nothing.
with ours as (
    select o.partition, x.next_offset, x.fingerprint
    from projection_offset o
    join unnest($3::integer[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        as x (partition, epoch, since, next_offset, fingerprint)
        on x.partition = o.partition and x.epoch = o.epoch and x.since = o.next_offset
    where o.projection = $1 and o.topic = $2
    order by o.partition
    for update of o
)
update projection_offset o
set next_offset = ours.next_offset, read_offset = ours.next_offset - 1, read_fingerprint = ours.fingerprint,
    updated_at = clock_timestamp()
from ours
where o.projection = $1 and o.topic = $2 and o.partition = ours.partition
returning o.partition
