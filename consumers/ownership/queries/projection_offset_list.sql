-- How far a projection got, partition by partition.
select topic, partition, epoch, next_offset, owner
from projection_offset
where projection = $1
order by topic, partition
