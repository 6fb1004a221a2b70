-- A key parks with its first record.
insert into parked_key (projection, topic, partition, key, tenant_id, reason, message, first_offset)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict on constraint parked_key_pkey do nothing
