insert into execution (tenant_id, aggregate_id, version, events_sum, source_partition, source_offset, occurred_at, recorded_at,
                       deleted_at, status, repository, model_name, steps, verdict, ended_at, started_at)
values ($1, $2, $3, decode(repeat('00', 16), 'hex'), 0, $3, '2026-11-21T03:00:00Z', '2026-11-21T03:00:01Z',
        case when $4 then now() end, $5, $6, 'm', $7, $8, $9::timestamptz, '2026-11-21T02:00:00Z')
on conflict (tenant_id, aggregate_id) do update set version = excluded.version, deleted_at = excluded.deleted_at
