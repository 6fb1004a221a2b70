insert into outbox_skip (event_id, lsn, row_told, actor, reason)
values ($1, $2::pg_lsn, $3, $4, $5)
on conflict on constraint outbox_skip_event_key do nothing
