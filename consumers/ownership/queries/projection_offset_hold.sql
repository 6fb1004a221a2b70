-- Which partitions are ours; they stay so until the transaction ends.
select o.partition
from projection_offset o
join unnest($3::integer[], $4::bigint[]) as x (partition, epoch) on x.partition = o.partition and x.epoch = o.epoch
where o.projection = $1 and o.topic = $2
order by o.partition
for share of o
