-- Deletes all but the newest snapshots of each aggregate, a bounded number of them.
delete from snapshot
where (tenant_id, aggregate_id, shape, version) in (
    select tenant_id, aggregate_id, shape, version
    from (
        select tenant_id, aggregate_id, shape, version,
            row_number() over (partition by tenant_id, aggregate_id order by taken_at desc, version desc) as place
        from snapshot
    ) as ranked
    where place > $1
    limit $2)
