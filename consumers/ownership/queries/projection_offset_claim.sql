-- Takes partitions from whoever has them. Waits for the old owner's open transaction, then sees where it got.
insert into projection_offset as o (projection, topic, partition, epoch, next_offset, owner)
select $1, $2, p, 1, 0, $4
from unnest($3::integer[]) as p
order by p
on conflict on constraint projection_offset_pkey
    do update set epoch = o.epoch + 1, owner = excluded.owner, updated_at = clock_timestamp()
returning partition, epoch, next_offset,
    case when read_offset = next_offset - 1 then read_fingerprint end as fingerprint, parkings
