-- A record queues up under its key; one that was released and comes by again queues up again.
insert into parked_event as e (
    projection, topic, partition, record_offset, key, record_key, payload, header_names, header_values, timestamp_ms,
    schema_id, tenant_id, aggregate_id, version, event_id, event_type, reason, message
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
on conflict on constraint parked_event_pkey do update set released_at = null where e.released_at is not null
