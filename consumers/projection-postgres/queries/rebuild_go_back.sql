-- The kept edition goes on from where it stood, under epochs that fence everybody off.
update projection_offset o
set next_offset = (x ->> 'next_offset')::bigint, epoch = o.epoch + 1, updated_at = clock_timestamp()
from jsonb_array_elements($2::jsonb) as x
where o.projection = $1 and o.topic = x ->> 'topic' and o.partition = (x ->> 'partition')::integer
