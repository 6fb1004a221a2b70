-- A table of executions as some other program may have kept it, and a way to fill it; readable by `auditor` alone.
create table execution_history (
    id         uuid primary key,
    task       text not null,
    repository text not null,
    model      text not null,
    agent      text not null,
    started_at timestamptz not null,
    ended_at   timestamptz,
    outcome    text not null,
    error      text,
    cost_usd   numeric,
    tokens     bigint
);
grant select on execution_history to auditor;

create function fill_execution_history(executions bigint) returns void language sql as $$
    insert into execution_history
    select md5('execution ' || n)::uuid, 'task ' || n, 'repository ' || n % 7, 'vendor/model-' || n % 3, 'agent 1',
        timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second',
        case when n % 10 <> 0 then timestamptz '2026-01-01 00:01:00+00' + n * interval '1 second' end,
        case when n % 10 = 0 then 'open' when n % 10 = 1 then 'broken' else 'done' end,
        case when n % 10 = 1 then 'it broke' end,
        case when n % 10 > 1 then n::numeric / 1000000000 end,
        n
    from generate_series(1, executions) as n;
$$;
