-- Every owner so far is fenced off, of partitions that nobody owned yet too. Where nobody stood, or where the topic has nothing to
-- go on with, the projection begins where the partition does.
insert into projection_offset as o (projection, topic, partition, epoch, next_offset, owner)
select $1, $2, x.partition, 1, x.low, 'rebuild'
from unnest($3::integer[], $4::bigint[], $5::bigint[]) as x (partition, low, high)
order by x.partition
on conflict on constraint projection_offset_pkey do update set
    epoch = o.epoch + 1,
    next_offset = (
        select case when o.next_offset between x.low and x.high then o.next_offset else x.low end
        from unnest($3::integer[], $4::bigint[], $5::bigint[]) as x (partition, low, high)
        where x.partition = o.partition
    ),
    read_offset = null,
    read_fingerprint = null,
    updated_at = clock_timestamp()
