select count(*) from event_store
