-- Goes on with a rebuild, or begins one; one of another edition is not gone on with.
insert into projection_rebuild as r (projection, edition)
values ($1, $2)
on conflict on constraint projection_rebuild_pkey do update set updated_at = clock_timestamp()
returning edition, after_position, events
