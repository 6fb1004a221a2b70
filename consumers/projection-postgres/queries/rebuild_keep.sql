-- What was read until now is kept, with where it stood.
insert into projection_kept (projection, edition, relations, offsets)
select projection, edition, relations, $2
from projection_edition
where projection = $1
on conflict on constraint projection_kept_pkey do update set
    edition = excluded.edition, relations = excluded.relations, offsets = excluded.offsets, kept_at = clock_timestamp()
