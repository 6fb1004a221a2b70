-- What was read until now is kept, with where it stands.
insert into projection_kept (projection, edition, relations, offsets)
select e.projection, e.edition, e.relations, coalesce(o.offsets, '[]')
from projection_edition e
left join lateral (
    select jsonb_agg(jsonb_build_object('topic', o.topic, 'partition', o.partition, 'next_offset', o.next_offset)) as offsets
    from projection_offset o
    where o.projection = e.projection
) o on true
where e.projection = $1
on conflict on constraint projection_kept_pkey do update set
    edition = excluded.edition, relations = excluded.relations, offsets = excluded.offsets, kept_at = clock_timestamp()
