-- Appends; the answer's rows are told apart by outcome (migrations/0003_append_events.sql, 0006_append_events.sql).
select
    outcome, aggregate_id, expected, version, first_position, last_position, event_id, aggregate_type, event_type,
    payload, metadata, occurred_at, recorded_at, transaction_id, event_count
from append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
