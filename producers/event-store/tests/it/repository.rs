//! From a command to stored events, through the rules of the reference domain.

use std::sync::Arc;

use agents::execution::{Progress, Rejection};
use agents::{CompleteExecution, Ended, Execution, ExecutionCommand, RecordModelCall, StartExecution};
use event_store::{
    AppendError, Codec, Context, EventStore, ExecuteError, Executed, IdempotencyKey, Repository, StateError,
    StoreError, Until,
};
use events::{EventId, ExecutionEvent, ExecutionId, Metadata, Timestamp};
use uuid::Uuid;

use crate::fixture::{Events, in_memory, tenant};

pub(crate) fn start(execution_id: ExecutionId) -> ExecutionCommand {
    StartExecution {
        execution_id,
        occurred_at: Timestamp::from_micros(0),
        workflow_id: None,
        task: "task".into(),
        repository: "repository".into(),
        model: "model".into(),
        agent: "agent".into(),
        prompt_id: None,
        prompt_version: None,
        step_limit: None,
        cost_limit: None,
        requested_by: None,
    }
    .into()
}

pub(crate) fn call(execution_id: ExecutionId, step: i32) -> ExecutionCommand {
    RecordModelCall {
        execution_id,
        occurred_at: Timestamp::from_micros(step.into()),
        step,
        prompt_tokens: 10,
        completion_tokens: 1,
        reasoning_tokens: 0,
        cached_tokens: 0,
        latency_us: None,
        cost: None,
        thought_bytes: 0,
    }
    .into()
}

pub(crate) fn complete(execution_id: ExecutionId) -> ExecutionCommand {
    CompleteExecution {
        execution_id,
        occurred_at: Timestamp::from_micros(99),
        exit_status: "Submitted".into(),
        patch_bytes: 1,
        api_calls: 2,
        reported_cost: None,
    }
    .into()
}

pub(crate) fn context() -> Context<'static> {
    Context::new(Metadata::default(), &|| EventId(Uuid::now_v7()))
}

pub(crate) fn executions<S: EventStore>(store: S) -> Repository<Execution, S> {
    Repository::new(store, Codec::<ExecutionEvent>::with_ids(1).unwrap())
}

async fn story(store: impl EventStore) {
    let executions = executions(store);
    let (acme, id) = (tenant("acme"), ExecutionId(Uuid::now_v7()));
    let ask =
        async |command: ExecutionCommand| executions.execute(&acme, id.into(), command, &context()).await;
    for (command, version) in
        [(start(id), 1), (call(id, 1), 2), (call(id, 2), 3), (call(id, 2), 3), (complete(id), 4)]
    {
        assert_eq!(ask(command).await.expect("it is legal").version, version);
    }
    let refused = ask(call(id, 3)).await.unwrap_err();
    let how = Ended::Completed;
    assert!(
        matches!(refused, ExecuteError::Rejected(Rejection::AlreadyEnded { how: h }) if h == how),
        "{refused:?}"
    );

    let (then, version) =
        executions.state(&acme, id.into(), Until::Occurred(Timestamp::from_micros(1))).await.unwrap();
    assert_eq!((then.progress().map(Progress::steps), version), (Some(1), 2));
    let elsewhere = ExecutionId(Uuid::now_v7());
    let refused = executions.execute(&acme, id.into(), start(elsewhere), &context()).await;
    assert!(matches!(refused, Err(ExecuteError::Rejected(Rejection::OtherExecution { .. }))), "{refused:?}");
    let fresh = ExecutionId(Uuid::now_v7());
    let refused = executions.execute(&acme, fresh.into(), start(elsewhere), &context()).await;
    assert!(matches!(refused, Err(ExecuteError::OtherAggregate { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_run_is_executed_and_replayed_in_memory() {
    story(in_memory()).await;
}

#[tokio::test]
async fn a_run_is_executed_and_replayed_in_postgres() {
    story(Events::new().await.store().await).await;
}

/// Eight commanders record calls of one run, each always the next step it knows of; every lost race decides anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_race_is_decided_anew_on_what_is_true_now() {
    let (events, id) = (Events::new().await, ExecutionId(Uuid::now_v7()));
    let executions = Arc::new(executions(events.store().await));
    let acme = tenant("acme");
    executions.execute(&acme, id.into(), start(id), &context()).await.unwrap();

    let mut commanders = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (executions, acme) = (executions.clone(), acme.clone());
        commanders.spawn(async move {
            let (mut step, mut recorded) = (1, 0);
            while step <= 40 {
                match executions.execute(&acme, id.into(), call(id, step), &context()).await {
                    Ok(executed) => {
                        recorded += executed.events.len();
                        step += 1;
                    }
                    Err(ExecuteError::Rejected(Rejection::StepOutOfOrder { expected, .. })) => {
                        step = expected
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
            recorded
        });
    }
    let recorded: usize = commanders.join_all().await.into_iter().sum();
    assert_eq!(recorded, 40, "each step was recorded by exactly one");
    let (state, version) = executions.state(&acme, id.into(), Until::Now).await.unwrap();
    assert_eq!((state.progress().map(Progress::steps), version), (Some(40), 41));
}

async fn the_version_that_the_caller_has_seen(store: impl EventStore) {
    let executions = executions(store);
    let (acme, id) = (tenant("acme"), ExecutionId(Uuid::now_v7()));
    let ask = async |command: ExecutionCommand, expected| {
        let context = Context { expected: Some(expected), ..context() };
        executions.execute(&acme, id.into(), command, &context).await
    };
    ask(start(id), 0).await.expect("it is before its first event");
    ask(call(id, 1), 1).await.expect("nobody came in between");
    // Legal by the rules, but not what the caller has looked at.
    let refused = ask(call(id, 2), 1).await.unwrap_err();
    let ExecuteError::Conflict(conflict) = refused else { panic!("{refused:?}") };
    let between: Vec<u64> = conflict.events.iter().map(|event| event.version).collect();
    assert_eq!((conflict.actual, between), (2, vec![2]));
    let refused = ask(call(id, 2), u64::MAX).await.unwrap_err();
    assert!(
        matches!(&refused, ExecuteError::Conflict(c) if c.actual == 2 && c.events.is_empty()),
        "{refused:?}"
    );
    assert_eq!(ask(call(id, 2), 2).await.expect("it is at 2").version, 3);
}

#[tokio::test]
async fn a_command_at_a_named_version_is_not_decided_at_another_in_memory() {
    the_version_that_the_caller_has_seen(in_memory()).await;
}

#[tokio::test]
async fn a_command_at_a_named_version_is_not_decided_at_another_in_postgres() {
    the_version_that_the_caller_has_seen(Events::new().await.store().await).await;
}

/// Sixteen callers have all seen the same version; whoever loses is told so, also when the race is lost inside the append.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_who_saw_the_same_version_one_wins() {
    let (events, id, acme) = (Events::new().await, ExecutionId(Uuid::now_v7()), tenant("acme"));
    let executions = Arc::new(executions(events.store().await));
    executions.execute(&acme, id.into(), start(id), &context()).await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (executions, acme) = (executions.clone(), acme.clone());
        callers.spawn(async move {
            let context = Context { expected: Some(1), ..context() };
            match executions.execute(&acme, id.into(), call(id, 1), &context).await {
                Ok(executed) => executed.events.len(),
                Err(ExecuteError::Conflict(conflict)) if conflict.actual == 2 => 0,
                Err(error) => panic!("{error:?}"),
            }
        });
    }
    assert_eq!(callers.join_all().await.into_iter().sum::<usize>(), 1);
}

async fn copies_of_a_command(store: impl EventStore) {
    let executions = executions(store);
    let (acme, id) = (tenant("acme"), ExecutionId(Uuid::now_v7()));
    let ask = async |command: ExecutionCommand, name: &str, body: &str, expected| {
        let idempotency = Some(IdempotencyKey::new(name, body.as_bytes()).unwrap());
        executions.execute(&acme, id.into(), command, &Context { expected, idempotency, ..context() }).await
    };
    let started = ask(start(id), "start", "s", Some(0)).await.unwrap();
    let called = ask(call(id, 1), "call", "c", None).await.unwrap();
    ask(call(id, 2), "call-2", "c2", Some(2)).await.unwrap();

    // The rules would refuse it, the version is another: the answer is the first one's, events included.
    let again = ask(start(id), "start", "s", Some(0)).await.unwrap();
    assert_eq!(again, Executed { repeated: true, ..started });
    // The rules would let it pass as something that is done already.
    assert_eq!(ask(call(id, 1), "call", "c", None).await.unwrap(), Executed { repeated: true, ..called });

    let reused = ask(start(id), "call", "s", None).await;
    assert!(
        matches!(&reused, Err(ExecuteError::Append(AppendError::KeyReused { key })) if key == "call"),
        "{reused:?}"
    );
    let nothing = ask(call(id, 2), "nothing", "c2", None).await.unwrap();
    assert_eq!((nothing.events.len(), nothing.version, nothing.repeated), (0, 3, false));
    ask(complete(id), "complete", "e", None).await.unwrap();
    let again = ask(call(id, 2), "nothing", "c2", None).await.unwrap();
    assert_eq!(again, Executed { repeated: true, ..nothing });

    // A rejection is no answer to keep.
    for _ in 0..2 {
        let refused = ask(call(id, 3), "late", "l", None).await;
        assert!(matches!(refused, Err(ExecuteError::Rejected(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn copies_of_a_command_are_answered_and_not_decided_again_in_memory() {
    copies_of_a_command(in_memory()).await;
}

#[tokio::test]
async fn copies_of_a_command_are_answered_and_not_decided_again_in_postgres() {
    copies_of_a_command(Events::new().await.store().await).await;
}

#[tokio::test]
async fn a_copy_of_a_command_is_answered_when_its_events_have_left_the_store() {
    let (events, acme, id) = (Events::new().await, tenant("acme"), ExecutionId(Uuid::now_v7()));
    let executions = executions(events.store().await);
    let ask = async |command: ExecutionCommand, name: &str| {
        let idempotency = Some(IdempotencyKey::new(name, name.as_bytes()).unwrap());
        executions.execute(&acme, id.into(), command, &Context { idempotency, ..context() }).await
    };
    ask(start(id), "start").await.unwrap();
    for step in 1..=4 {
        ask(call(id, step), &format!("call-{step}")).await.unwrap();
    }
    let prune = async |reason: &str, through: i64| {
        sqlx::query(
            "select prune_events('acme', $1, 'me', 'why', array[$2], array[$3::bigint], null, 'a file')",
        )
        .bind(reason)
        .bind(id.0)
        .bind(through)
        .execute(&events.owner)
        .await
        .unwrap();
    };
    let gone = |version| Executed { events: vec![], version, repeated: true };

    // The state cannot be loaded, and what the command led to is in an archive.
    prune("archived", 2).await;
    assert_eq!(ask(call(id, 1), "call-1").await.unwrap(), gone(2));
    let there = ask(call(id, 3), "call-3").await.unwrap();
    assert_eq!((there.events.len(), there.version, there.repeated), (1, 4, true));
    let new = ask(call(id, 5), "call-5").await;
    assert!(
        matches!(new, Err(ExecuteError::State(StateError::Load(StoreError::Archived { .. })))),
        "{new:?}"
    );
    // What it led to was withdrawn and is gone for good.
    prune("withdrawn", 4).await;
    assert_eq!(ask(call(id, 3), "call-3").await.unwrap(), gone(4));
}

/// Some of them load before the first has committed, some after: the rules then refuse to start twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_copies_of_a_command_at_once_get_one_answer() {
    let (events, id) = (Events::new().await, ExecutionId(Uuid::now_v7()));
    let executions = Arc::new(executions(events.store().await));
    let mut copies = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let executions = executions.clone();
        copies.spawn(async move {
            let idempotency = Some(IdempotencyKey::new("k", b"body").unwrap());
            let context = Context { idempotency, ..context() };
            executions.execute(&tenant("acme"), id.into(), start(id), &context).await.unwrap()
        });
    }
    let answers = copies.join_all().await;
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert!(answers.iter().all(|answer| (answer.version, answer.events.len()) == (1, 1)));
}

#[tokio::test]
async fn a_draft_is_decided_command_by_command_and_appended_by_the_caller() {
    let (executions, acme, id) = (executions(in_memory()), tenant("acme"), ExecutionId(Uuid::now_v7()));
    let commands = vec![start(id), call(id, 1), call(id, 2)];
    let draft = executions.draft(&acme, id.into(), commands, &context()).await.unwrap();
    assert_eq!((draft.version, draft.events.len(), draft.append.events.len()), (0, 3, 3));
    assert_eq!(executions.state(&acme, id.into(), Until::Now).await.unwrap().1, 0, "nothing is stored yet");
    executions.store().append(&acme, &[draft.append]).await.unwrap();
    assert_eq!(executions.state(&acme, id.into(), Until::Now).await.unwrap().1, 3);
    let refused = executions.draft(&acme, id.into(), vec![call(id, 3), call(id, 5)], &context()).await;
    let refused = refused.expect_err("step 4 is missing");
    assert!(matches!(refused.source, ExecuteError::Rejected(_)), "{refused:?}");
    assert_eq!(refused.command, 1);
}
