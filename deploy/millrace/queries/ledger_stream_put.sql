-- How far these aggregates are by now.
insert into ledger_stream as s (aggregate_id, aggregate_type, tenant_id, version, events_sum, lacks)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bigint[])
on conflict on constraint ledger_stream_pkey do update set
    version = excluded.version, events_sum = excluded.events_sum, lacks = coalesce(s.lacks, excluded.lacks)
