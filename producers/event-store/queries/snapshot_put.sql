-- Keeps a snapshot; false when the store has no such event.
select put_snapshot($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
