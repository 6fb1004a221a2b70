-- The answer that an idempotency key already has.
select
    outcome, aggregate_id, expected, version, first_position, last_position, event_id, aggregate_type, event_type,
    payload, metadata, occurred_at, recorded_at, transaction_id, event_count
from read_command($1, $2, $3)
