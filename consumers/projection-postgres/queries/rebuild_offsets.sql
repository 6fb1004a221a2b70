-- Every owner so far is fenced off. Where nobody owned a partition yet, the projection begins here.
insert into projection_offset as o (projection, topic, partition, epoch, next_offset, owner)
select $1, $2, x.partition, 1, x.next_offset, 'rebuild'
from unnest($3::integer[], $4::bigint[]) as x (partition, next_offset)
order by x.partition
on conflict on constraint projection_offset_pkey do update set epoch = o.epoch + 1, updated_at = clock_timestamp()
