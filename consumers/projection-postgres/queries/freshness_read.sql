-- How fresh each projection is, and how far it is in each partition at least.
select f.projection,
       (extract(epoch from f.as_of) * 1000000)::bigint as as_of_micros,
       array_agg(s.partition order by s.partition) as partitions,
       array_agg(s.next_offset order by s.partition) as offsets
from projection_freshness f
join projection_status s using (projection, topic)
group by f.projection, f.topic, f.as_of
