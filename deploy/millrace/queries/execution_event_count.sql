-- Events that the projections of executions are to apply.
select count(*) from event_store where aggregate_type = 'execution'
