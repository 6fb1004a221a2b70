-- Of which events every row says it was made, in no order.
select tenant_id, aggregate_id, version, events_sum from {table}
