-- A decision is taken once.
insert into decision
    (projection, topic, partition, record_offset, tenant_id, aggregate_id, version, event_id, reason, actor)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict do nothing
