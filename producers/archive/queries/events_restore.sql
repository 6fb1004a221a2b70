-- Inserts events as they were (producers/event-store/migrations/0030_restoration.sql).
select restore_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text[]::jsonb[], $11::text[]::jsonb[], $12, $13, $14)
