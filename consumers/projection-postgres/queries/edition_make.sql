-- From now on this edition is read and written.
insert into projection_edition (projection, edition, relations)
values ($1, $2, $3)
on conflict on constraint projection_edition_pkey
    do update set edition = excluded.edition, relations = excluded.relations, made_at = clock_timestamp()
