select repository, model_name, runs, judged, resolved, steps, tool_uses, failed_tool_uses,
    prompt_tokens, completion_tokens, step_cost_nano_usd, reported_cost_nano_usd
from repository_model_total
where tenant_id = $1
order by runs desc, repository, model_name
