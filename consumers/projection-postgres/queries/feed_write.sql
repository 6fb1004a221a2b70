-- In front of what writes the rows: tells the feed of them, in the same statement.
with fed as (
    insert into projection_change (projection, tenant_id, aggregate_ids)
    select {projection}, x.tenant_id, array_agg(x.aggregate_id)
    from {rows}
    group by x.tenant_id
)
