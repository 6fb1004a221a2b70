-- Totals over executions, exact at every commit: each row changes by what its executions change, in the transaction that
-- writes them. Kept per partition, so that no two owners of partitions ever write one row; readers sum the partitions.

create table execution_total (
    tenant_id               text not null,
    repository              text not null,
    model_name              text not null,
    source_partition        integer not null,

    runs                    bigint not null default 0,
    completed               bigint not null default 0,
    failed                  bigint not null default 0,
    cancelled               bigint not null default 0,
    resolved                bigint not null default 0,
    judged                  bigint not null default 0,
    steps                   bigint not null default 0,
    tool_uses               bigint not null default 0,
    failed_tool_uses        bigint not null default 0,
    prompt_tokens           bigint not null default 0,
    completion_tokens       bigint not null default 0,
    step_cost_nano_usd      bigint not null default 0,
    reported_cost_nano_usd  bigint not null default 0,

    constraint execution_total_pkey primary key (tenant_id, repository, model_name, source_partition)
) with (fillfactor = 70);

comment on table execution_total is 'Share of one partition in the totals of a repository and a model.';
comment on column execution_total.tenant_id is 'Whose executions they are.';
comment on column execution_total.repository is 'The code base they work on.';
comment on column execution_total.model_name is 'The model in its one spelling.';
comment on column execution_total.source_partition is 'The partition of the topic whose executions are summed here.';
comment on column execution_total.runs is 'Executions started.';
comment on column execution_total.completed is 'Executions whose agent handed in its work.';
comment on column execution_total.failed is 'Executions that broke off by themselves.';
comment on column execution_total.cancelled is 'Executions that somebody stopped.';
comment on column execution_total.resolved is 'Executions whose work was judged to do what was asked.';
comment on column execution_total.judged is 'Executions whose work was judged.';
comment on column execution_total.steps is 'Model calls.';
comment on column execution_total.tool_uses is 'Tools run.';
comment on column execution_total.failed_tool_uses is 'Tools run whose exit code was reported and is not 0.';
comment on column execution_total.prompt_tokens is 'Tokens sent, cached ones included.';
comment on column execution_total.completion_tokens is 'Tokens answered, reasoning included.';
comment on column execution_total.step_cost_nano_usd is 'Sum of the costs reported for steps, in billionths of a US dollar.';
comment on column execution_total.reported_cost_nano_usd is 'Sum of the costs reported for whole runs, in billionths of a US dollar; runs without one add nothing.';

create view repository_model_total as
select
    tenant_id,
    repository,
    model_name,
    sum(runs)::bigint as runs,
    sum(completed)::bigint as completed,
    sum(failed)::bigint as failed,
    sum(cancelled)::bigint as cancelled,
    sum(resolved)::bigint as resolved,
    sum(judged)::bigint as judged,
    sum(steps)::bigint as steps,
    sum(tool_uses)::bigint as tool_uses,
    sum(failed_tool_uses)::bigint as failed_tool_uses,
    sum(prompt_tokens)::bigint as prompt_tokens,
    sum(completion_tokens)::bigint as completion_tokens,
    sum(step_cost_nano_usd)::bigint as step_cost_nano_usd,
    sum(reported_cost_nano_usd)::bigint as reported_cost_nano_usd,
    round(sum(resolved) / nullif(sum(judged), 0), 4) as resolved_share
from execution_total
group by tenant_id, repository, model_name
having sum(runs) <> 0;

comment on view repository_model_total is 'Totals per tenant, repository and model over all partitions.';
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
comment on column repository_model_total.resolved_share is 'Resolved among the judged, 0 to 1; null before the first judgement.';
