-- Rows of executions that never were.
insert into execution (
    tenant_id, aggregate_id, version, events_sum, source_partition, source_offset, occurred_at, recorded_at, status, task, repository, model,
    model_name, agent, steps, tool_uses, failed_tool_uses, prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens,
    step_cost_nano_usd, steps_without_cost, started_at, last_event_at
)
select $1, gen_random_uuid(), 10, decode(repeat('00', 16), 'hex'), 0, -1, now(), now(), (array['running', 'completed', 'failed'])[1 + n % 3], 'django__django-11099',
       'django/django', 'bench/none', 'bench/none', 'bench', n % 50, n % 40, 0, n * 100, n * 10, 0, 0, n * 1000, 0, now(), now()
from generate_series(1, $2) as n
returning aggregate_id
