-- What the store has of one type of aggregates.
select aggregate_id, tenant_id, version, events_sum, lacks from ledger_stream where aggregate_type = $1
