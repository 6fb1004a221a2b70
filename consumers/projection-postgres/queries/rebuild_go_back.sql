-- The kept edition goes on from where it stood, which is the beginning where it had not read yet, under epochs that fence everybody off.
update projection_offset o
set next_offset = coalesce((
        select (x ->> 'next_offset')::bigint
        from jsonb_array_elements($2::jsonb) as x
        where o.topic = x ->> 'topic' and o.partition = (x ->> 'partition')::integer
    ), 0),
    read_offset = null,
    read_fingerprint = null,
    epoch = o.epoch + 1,
    updated_at = clock_timestamp()
where o.projection = $1
