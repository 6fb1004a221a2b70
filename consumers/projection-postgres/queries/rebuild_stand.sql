-- Where a projection stands: of a partition with parked keys, at the first of their records, since whoever goes back may have let
-- them go by then. What is read twice is a duplicate by version.
select coalesce(jsonb_agg(jsonb_build_object('topic', o.topic, 'partition', o.partition, 'next_offset', least(o.next_offset, k.first_offset))), '[]')
from projection_offset o
left join lateral (
    select min(k.first_offset) as first_offset
    from parked_key k
    where k.projection = o.projection and k.topic = o.topic and k.partition = o.partition
) k on true
where o.projection = $1
