-- What Debezium's JDBC sink writes: the last event of each execution, since it adds nothing up.
create table peer_execution (
    execution_id        text primary key,
    occurred_at         bigint,
    workflow_id         text,
    task                text,
    repository          text,
    model               text,
    agent               text,
    prompt_id           text,
    prompt_version      integer,
    step_limit          integer,
    cost_limit_nano_usd bigint,
    requested_by        text,
    step                integer,
    prompt_tokens       bigint,
    completion_tokens   bigint,
    reasoning_tokens    bigint,
    cached_tokens       bigint,
    latency_us          bigint,
    cost_nano_usd       bigint,
    thought_bytes       bigint
) with (fillfactor = 70)
