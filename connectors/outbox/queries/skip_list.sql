select event_id, lsn::text as lsn, actor, reason, at from outbox_skip order by skip_id
