-- What the store holds, as one document.
select jsonb_build_object(
    'events', (select count(*) from event_store),
    'bytes', (select coalesce(sum(octet_length(e.payload)), 0) from event_store as e),
    'recorded_last_hour', (select count(*) from event_store as e where e.recorded_at > now() - interval '1 hour'),
    'recorded_last_day', (select count(*) from event_store as e where e.recorded_at > now() - interval '1 day'),
    'recorded_last_week', (select count(*) from event_store as e where e.recorded_at > now() - interval '7 days'),
    'by_tenant_and_type', (
        select coalesce(jsonb_agg(to_jsonb(k) order by k.tenant, k.aggregate_type), '[]')
        from (
            select e.tenant_id as tenant, e.aggregate_type, count(*) as events,
                count(distinct e.aggregate_id) as streams, sum(octet_length(e.payload)) as bytes
            from event_store as e group by e.tenant_id, e.aggregate_type
        ) as k),
    'largest_streams', (
        select coalesce(jsonb_agg(to_jsonb(s) order by s.events desc, s.aggregate_id), '[]')
        from (
            select e.tenant_id as tenant, e.aggregate_id, e.aggregate_type, count(*) as events,
                sum(octet_length(e.payload)) as bytes
            from event_store as e group by e.tenant_id, e.aggregate_id, e.aggregate_type
            order by count(*) desc, e.aggregate_id limit 10
        ) as s),
    'tables', (
        select jsonb_agg(to_jsonb(t) order by t.table_bytes + t.index_bytes desc, t.name)
        from (
            select c.relname as name, sum(pg_table_size(p.relid))::bigint as table_bytes,
                sum(pg_indexes_size(p.relid))::bigint as index_bytes,
                coalesce(sum(s.n_dead_tup), 0)::bigint as dead_rows
            from pg_class as c
            left join lateral pg_partition_tree(c.oid) as tree on true
            cross join lateral (select coalesce(tree.relid, c.oid) as relid) as p
            left join pg_stat_user_tables as s on s.relid = p.relid
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            group by c.relname
        ) as t),
    'pruned', (
        select coalesce(jsonb_agg(to_jsonb(r) order by r.reason), '[]')
        from (
            select p.reason, count(*) as ranges, sum(p.events)::bigint as events
            from pruned as p where p.restored_by is null group by p.reason
        ) as r),
    'subject_keys', (
        select jsonb_build_object('live', count(*) filter (where k.destroyed_at is null),
            'destroyed', count(*) filter (where k.destroyed_at is not null),
            'masters', coalesce(jsonb_agg(distinct k.master) filter (where k.master is not null), '[]'))
        from subject_key as k),
    'appends', (
        select jsonb_build_object(
            'last_position', case when q.is_called then q.last_value else 0 end,
            'settled_position', settled_position(),
            'open_appenders', (
                select count(distinct l.pid) from pg_locks as l
                where l.locktype = 'advisory' and l.objsubid = 2 and l.classid::bigint = x'4d52'::bigint
                    and l.database = (select d.oid from pg_database as d where d.datname = current_database())),
            'outbox_days_ahead', (
                select count(*) from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
                where i.inhparent = 'public.outbox'::regclass
                    and right(c.relname, 8) > to_char(now() at time zone 'UTC', 'YYYYMMDD')),
            'slot_lag_bytes', (
                select pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::bigint
                from pg_replication_slots as s
                where s.slot_name = $1 and s.database = current_database()))
        from event_store_position_seq as q)
)
