-- Prunes what a run stored, up to before each aggregate's withdrawal.
select sum(events)::bigint from prune_events($1, 'withdrawn', $2, $3, $4, $5)
