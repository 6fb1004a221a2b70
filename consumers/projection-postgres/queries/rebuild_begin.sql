-- Goes on with a rebuild, or begins one; one of another edition is not gone on with.
insert into projection_rebuild as r (projection, edition, definition)
values ($1, $2, $3)
on conflict on constraint projection_rebuild_pkey do update set updated_at = clock_timestamp()
returning edition, definition, after_position, events
