-- One row per execution: what a dashboard asks about one agent run. Its own columns are the fields of
-- agent_views::ExecutionRow, name by name; they may be null because a deleted row has none.

create table execution (
    like projection_row including all,

    status                  text,
    task                    text,
    repository              text,
    model                   text,
    model_name              text,
    agent                   text,
    workflow_id             uuid,
    prompt_id               uuid,
    prompt_version          integer,
    step_limit              integer,
    cost_limit_nano_usd     bigint,
    steps                   bigint,
    tool_uses               bigint,
    failed_tool_uses        bigint,
    prompt_tokens           bigint,
    completion_tokens       bigint,
    reasoning_tokens        bigint,
    cached_tokens           bigint,
    step_cost_nano_usd      bigint,
    steps_without_cost      bigint,
    reported_cost_nano_usd  bigint,
    exit_status             text,
    error_class             text,
    patch_bytes             bigint,
    verdict                 text,
    judge                   text,
    started_at              timestamptz,
    ended_at                timestamptz,
    judged_at               timestamptz,
    last_event_at           timestamptz,

    constraint execution_status_check check (status in ('running', 'completed', 'failed', 'cancelled')),
    constraint execution_verdict_check check (verdict in ('resolved', 'unresolved', 'unknown'))
) with (fillfactor = 70); -- room for the next version on the same page: no indexed column ever changes

create index execution_repository_model on execution (tenant_id, repository, model_name);

comment on table execution is 'One agent run, from its start to its verdict.';
comment on column execution.status is 'Where it stands: running, completed, failed or cancelled.';
comment on column execution.task is 'What is to be done, by name, such as sympy__sympy-13798.';
comment on column execution.repository is 'The code base it works on.';
comment on column execution.model is 'The model as the source spells it.';
comment on column execution.model_name is 'The model in its one spelling: a leading @ is dropped.';
comment on column execution.agent is 'The program that asks the model, with its version.';
comment on column execution.workflow_id is 'The workflow it is a part of, if any.';
comment on column execution.prompt_id is 'The prompt it follows; null when the source does not say.';
comment on column execution.prompt_version is 'Which version of the prompt.';
comment on column execution.step_limit is 'The most model calls it may make.';
comment on column execution.cost_limit_nano_usd is 'The most it may cost, in billionths of a US dollar.';
comment on column execution.steps is 'Model calls.';
comment on column execution.tool_uses is 'Tools run.';
comment on column execution.failed_tool_uses is 'Tools run whose exit code was reported and is not 0.';
comment on column execution.prompt_tokens is 'Tokens sent, cached ones included.';
comment on column execution.completion_tokens is 'Tokens answered, reasoning included.';
comment on column execution.reasoning_tokens is 'Of the tokens answered, the ones spent on reasoning.';
comment on column execution.cached_tokens is 'Of the tokens sent, the ones the provider had cached.';
comment on column execution.step_cost_nano_usd is 'Sum of the costs reported for its steps, in billionths of a US dollar.';
comment on column execution.steps_without_cost is 'Steps whose cost was not reported; step_cost_nano_usd knows nothing of them.';
comment on column execution.reported_cost_nano_usd is 'Cost of the whole run as the agent reported it; need not equal step_cost_nano_usd.';
comment on column execution.exit_status is 'The agent''s own word for how it ended, such as Submitted.';
comment on column execution.error_class is 'What kind of failure ended it.';
comment on column execution.patch_bytes is 'Length of the patch it handed in.';
comment on column execution.verdict is 'What was thought of its work: resolved, unresolved or unknown; null until judged.';
comment on column execution.judge is 'Who or what judged, such as swe-bench-verified.';
comment on column execution.started_at is 'When it started.';
comment on column execution.ended_at is 'When it ended.';
comment on column execution.judged_at is 'When it was judged.';
comment on column execution.last_event_at is 'When its newest event happened.';
