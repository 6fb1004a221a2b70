-- Readers see what a total means where they read it.
comment on column repository_model_total.tenant_id is 'Whose executions they are.';
comment on column repository_model_total.repository is 'The code base they work on.';
comment on column repository_model_total.model_name is 'The model in its one spelling.';
comment on column repository_model_total.runs is 'Executions started.';
comment on column repository_model_total.completed is 'Executions whose agent handed in its work.';
comment on column repository_model_total.failed is 'Executions that broke off by themselves.';
comment on column repository_model_total.cancelled is 'Executions that somebody stopped.';
comment on column repository_model_total.resolved is 'Executions whose work was judged to do what was asked.';
comment on column repository_model_total.judged is 'Executions whose work was judged.';
comment on column repository_model_total.steps is 'Model calls.';
comment on column repository_model_total.tool_uses is 'Tools run.';
comment on column repository_model_total.failed_tool_uses is 'Tools run whose exit code was reported and is not 0.';
comment on column repository_model_total.prompt_tokens is 'Tokens sent, cached ones included.';
comment on column repository_model_total.completion_tokens is 'Tokens answered, reasoning included.';
comment on column repository_model_total.step_cost_nano_usd is 'Sum of the costs reported for steps, in billionths of a US dollar.';
comment on column repository_model_total.reported_cost_nano_usd is 'Sum of the costs reported for whole runs, in billionths of a US dollar; runs without one add nothing.';
