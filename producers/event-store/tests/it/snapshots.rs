//! Snapshots: they change no state, cost no answer, and none is trusted.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use agents::{Execution, ExecutionCommand, Prompt, PromptCommand, Workflow, WorkflowCommand};
use aggregate::Snapshot;
use event_store::{
    Codec, EventStore, Ignored, PgEventStore, Repository, Sealed, SnapshotConfig, SnapshotKeeper,
    SnapshotMetrics, SnapshotPolicy, Until,
};
use events::{AggregateId, DomainEvent, ExecutionId};
use proptest::prelude::*;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use testkit::eventually;
use uuid::Uuid;

use crate::fixture::{Events, in_memory, pool, tenant};
use crate::repository::{call, complete, context, executions, start};

const SOON: Duration = Duration::from_secs(60);

fn every(events: u64) -> SnapshotConfig {
    let policy = SnapshotPolicy { events: Some(events), ..SnapshotPolicy::EXPLICIT };
    SnapshotConfig { policy, ..SnapshotConfig::default() }
}

/// A repository with snapshots, and what it counts.
fn keeping<S: EventStore + Clone + std::fmt::Debug + 'static>(
    store: S,
    config: &SnapshotConfig,
) -> (Repository<Execution, S>, SnapshotMetrics) {
    let metrics = SnapshotMetrics::new("execution");
    (executions(store).with_snapshots(config, metrics.clone()), metrics)
}

/// The commands of a run of so many calls.
fn commands(id: ExecutionId, calls: i32) -> impl Iterator<Item = ExecutionCommand> {
    std::iter::once(start(id)).chain((1..=calls).map(move |step| call(id, step)))
}

/// A run with a snapshot at its 6th version and two events after it, in a database of its own.
struct Kept {
    events: Events,
    store: PgEventStore,
    id: ExecutionId,
}

impl Kept {
    async fn new() -> Self {
        let (events, id) = (Events::new().await, ExecutionId(Uuid::now_v7()));
        let store = events.store().await;
        let plain = executions(store.clone());
        for (version, command) in (1..).zip(commands(id, 7)) {
            plain.execute(&tenant("acme"), id.into(), command, &context()).await.unwrap();
            if version == 6 {
                plain.take_snapshot(&tenant("acme"), id.into(), 2).await.unwrap().expect("it is kept");
            }
        }
        Self { events, store, id }
    }

    /// The state by a program that has just begun, beside the one that folding everything gives.
    async fn fresh_state(&self) -> SnapshotMetrics {
        let (fresh, metrics) = keeping(self.store.clone(), &every(1_000));
        let acme = tenant("acme");
        let state = fresh.state(&acme, self.id.into(), Until::Now).await.unwrap();
        let folded = executions(self.store.clone()).state(&acme, self.id.into(), Until::Now).await.unwrap();
        assert_eq!((state.1, &state), (8, &folded));
        metrics
    }

    async fn as_owner(&self, statement: &str) {
        let mut owner = self.events.connect("owner").await;
        let done = owner.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await.unwrap();
        assert!(done.rows_affected() > 0 || !statement.starts_with("update"), "{statement}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Call,
    Complete,
    StartAgain,
    /// Somebody without snapshots appends.
    Elsewhere,
    /// The program begins anew, with nothing in memory.
    Restart,
}

proptest! {
    #[test]
    fn state_with_and_without_snapshots_is_equal(
        moves in prop::collection::vec(
            prop_oneof![
                6 => Just(Move::Call), 1 => Just(Move::Complete), 1 => Just(Move::StartAgain),
                2 => Just(Move::Elsewhere), 2 => Just(Move::Restart),
            ],
            1..40,
        ),
        events in 1..6_u64,
        cached_for_ms in prop_oneof![Just(0), Just(60_000)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Arc::new(in_memory());
            let (acme, id) = (tenant("acme"), ExecutionId(Uuid::now_v7()));
            let config = SnapshotConfig {
                cached_max: NonZeroUsize::new(1).unwrap(),
                cached_for: Duration::from_millis(cached_for_ms),
                ..every(events)
            };
            let (mut kept, plain) = (keeping(store.clone(), &config).0, executions(store.clone()));
            plain.execute(&acme, id.into(), start(id), &context()).await.unwrap();
            let mut steps = 0;
            for step in moves {
                let command = match step {
                    Move::Call | Move::Elsewhere => call(id, steps + 1),
                    Move::Complete => complete(id),
                    Move::StartAgain => start(id),
                    Move::Restart => {
                        kept = keeping(store.clone(), &config).0;
                        continue;
                    }
                };
                let by = if matches!(step, Move::Elsewhere) { &plain } else { &kept };
                // A rejection is an answer, and must be the same one.
                let known = plain.state(&acme, id.into(), Until::Now).await.unwrap().0;
                let expected = aggregate::Aggregate::decide(&known, command.clone());
                let answer = by.execute(&acme, id.into(), command, &context()).await;
                prop_assert_eq!(answer.is_ok(), expected.is_ok(), "{:?}", answer);
                if let (Ok(executed), Move::Call | Move::Elsewhere) = (&answer, step) {
                    steps += i32::try_from(executed.events.len()).unwrap();
                }
                tokio::task::yield_now().await; // a snapshot that is due is written meanwhile
                let with = kept.state(&acme, id.into(), Until::Now).await.unwrap();
                let without = plain.state(&acme, id.into(), Until::Now).await.unwrap();
                prop_assert_eq!(with, without);
            }
            Ok(())
        })?;
    }
}

/// The state of `A` after each of these commands, each told so many times, by repositories of which one keeps snapshots and
/// may begin anew before any command. What the rules refuse changes neither.
async fn is_equal_with_and_without_snapshots<A>(
    id: AggregateId,
    commands: Vec<A::Command>,
    turns: Vec<(bool, usize)>,
    events: u64,
) where
    A: Snapshot + std::fmt::Debug + PartialEq,
{
    let (store, acme) = (Arc::new(in_memory()), tenant("acme"));
    let new = || Repository::<A, _>::new(store.clone(), Codec::<A::Event>::with_ids(1).unwrap());
    let keeping = || new().with_snapshots(&every(events), SnapshotMetrics::new(A::Event::AGGREGATE_TYPE));
    let (plain, mut kept) = (new(), keeping());
    for (command, (begins_anew, times)) in commands.into_iter().zip(turns) {
        if begins_anew {
            kept = keeping();
        }
        for _ in 0..times {
            let expected = plain.state(&acme, id, Until::Now).await.unwrap().0.decide(command.clone());
            let answer = kept.execute(&acme, id, command.clone(), &context()).await;
            assert_eq!(answer.is_ok(), expected.is_ok());
            tokio::task::yield_now().await; // a snapshot that is due is written meanwhile
            let with = kept.state(&acme, id, Until::Now).await.unwrap();
            assert_eq!(with, plain.state(&acme, id, Until::Now).await.unwrap());
        }
    }
}

/// Whether the program begins anew before a command, and how often that is told.
fn turns() -> impl Strategy<Value = Vec<(bool, usize)>> {
    prop::collection::vec((any::<bool>(), prop_oneof![6 => Just(1_usize), 1 => Just(0), 1 => Just(2)]), 20)
}

/// Commands of one aggregate, a second apart.
fn told(id: &str, named: AggregateId, commands: Vec<Value>) -> Vec<Value> {
    let whole = |(second, mut command): (u32, Value)| {
        command[id] = json!(named.to_string());
        command["occurred_at"] = json!(format!("2026-11-21T03:46:{second:02}Z"));
        command
    };
    (0..).zip(commands).map(whole).collect()
}

fn workflow(named: AggregateId) -> Vec<WorkflowCommand> {
    let run = |n: u32| format!("018f3f5e-0000-7000-8000-0000000000{n:02}");
    let reserve = |n| json!({"type": "ReserveBudget", "execution_id": run(n), "amount_nano_usd": 20});
    let assign = |n, role: &str, revision: u32| json!({"type": "AssignStep", "execution_id": run(n), "role": role, "revision": revision});
    let commands = vec![
        json!({"type": "StartWorkflow", "kind": "CODING", "goal": "repair it", "revision_limit": 1, "budget_nano_usd": 500}),
        reserve(1),
        assign(1, "PLANNER", 0),
        json!({"type": "DraftPlan", "execution_id": run(1), "steps": 2, "plan": "1. 2."}),
        reserve(2),
        assign(2, "CODER", 0),
        json!({"type": "FailStep", "execution_id": run(2), "error_class": "Timeout", "message": ""}),
        json!({"type": "ReleaseBudget", "execution_id": run(2), "reason": "it never ran"}),
        reserve(3),
        assign(3, "CODER", 0),
        json!({"type": "SubmitWork", "execution_id": run(3), "revision": 0, "artifact": "git:x", "artifact_bytes": 9}),
        json!({"type": "SettleBudget", "execution_id": run(3), "spent_nano_usd": 7}),
        reserve(4),
        assign(4, "CRITIC", 0),
        json!({"type": "RequestRevision", "execution_id": run(4), "revision": 0, "findings": "no test"}),
        reserve(5),
        assign(5, "CODER", 1),
        json!({"type": "CancelWorkflow", "reason": "too dear"}),
        json!({"type": "SettleBudget", "execution_id": run(5), "spent_nano_usd": 3}),
    ];
    let told = told("workflow_id", named, commands).into_iter();
    told.map(|command| serde_json::from_value(command).unwrap()).collect()
}

fn prompt(named: AggregateId) -> Vec<PromptCommand> {
    let add = |version: u32| json!({"type": "AddPromptVersion", "prompt_version": version, "text": "Judge."});
    let activate = |version: u32| json!({"type": "ActivatePrompt", "prompt_version": version});
    let commands = vec![
        json!({"type": "CreatePrompt", "name": "critic", "role": "CRITIC", "description": ""}),
        add(1),
        activate(1),
        json!({"type": "RenamePrompt", "name": "judge"}),
        add(2),
        activate(2),
        json!({"type": "DescribePrompt", "description": "Judges."}),
        activate(1),
        json!({"type": "DeactivatePrompt", "prompt_version": 1, "reason": "too kind"}),
        json!({"type": "RetirePrompt", "reason": "replaced"}),
    ];
    let told = told("prompt_id", named, commands).into_iter();
    told.map(|command| serde_json::from_value(command).unwrap()).collect()
}

proptest! {
    #[test]
    fn state_of_workflows_and_prompts_with_and_without_snapshots_is_equal(turns in turns(), events in 1..6_u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let id = AggregateId(Uuid::now_v7());
        runtime.block_on(async {
            is_equal_with_and_without_snapshots::<Workflow>(id, workflow(id), turns.clone(), events).await;
            is_equal_with_and_without_snapshots::<Prompt>(id, prompt(id), turns, events).await;
        });
    }
}

#[tokio::test]
async fn a_snapshot_with_the_events_after_it_is_one_round_trip_and_is_used() {
    let kept = Kept::new().await;
    assert_eq!(kept.fresh_state().await.used.get(), 1);

    let (proxy, store) = kept.events.proxied(1);
    let (acme, id) = (tenant("acme"), AggregateId(kept.id.0));
    let found = store.load_from_snapshot(&acme, id, 1).await.unwrap();
    assert_eq!(found.snapshot.map(|sealed| sealed.version), Some(6));
    assert_eq!(found.events.iter().map(|event| event.version).collect::<Vec<_>>(), [7, 8]);
    proxy.round_trips();
    store.load_from_snapshot(&acme, id, 1).await.unwrap();
    assert_eq!(proxy.round_trips(), 1);
}

#[tokio::test]
async fn a_corrupt_snapshot_is_ignored_counted_and_rebuilt() {
    let kept = Kept::new().await;
    kept.as_owner("update snapshot set state = set_byte(state, 9, get_byte(state, 9) # 1)").await;
    let metrics = kept.fresh_state().await;
    assert_eq!((metrics.used.get(), metrics.ignored(Ignored::Corrupt).get()), (0, 1));
    let taken =
        executions(kept.store.clone()).take_snapshot(&tenant("acme"), kept.id.into(), 1).await.unwrap();
    assert_eq!(taken.map(|sealed| sealed.version), Some(8));
    assert_eq!(kept.fresh_state().await.used.get(), 1, "a new one counts");
}

#[tokio::test]
async fn a_snapshot_of_an_old_shape_is_ignored_and_counted() {
    let kept = Kept::new().await;
    kept.as_owner("update snapshot set shape = 0").await;
    let metrics = kept.fresh_state().await;
    assert_eq!((metrics.used.get(), metrics.ignored(Ignored::Shape).get()), (0, 1));
}

#[tokio::test]
async fn a_snapshot_of_another_history_does_not_count() {
    let kept = Kept::new().await;
    kept.as_owner("update snapshot set event_id = gen_random_uuid()").await;
    assert_eq!(kept.fresh_state().await.used.get(), 0);
    kept.as_owner("update snapshot set version = 99").await;
    assert_eq!(kept.fresh_state().await.used.get(), 0);
}

#[tokio::test]
async fn snapshots_are_taken_by_policy_and_the_newest_are_kept() {
    let (events, id, acme) = (Events::new().await, ExecutionId(Uuid::now_v7()), tenant("acme"));
    let (kept, metrics) = keeping(events.store().await, &every(3));
    for command in commands(id, 11) {
        kept.execute(&acme, id.into(), command, &context()).await.unwrap();
        let due = kept.state(&acme, id.into(), Until::Now).await.unwrap().1 / 3;
        eventually("what is due is written", SOON, async || metrics.written.get() == due).await;
    }
    let keeper = SnapshotKeeper::new(events.owner.clone());
    let versions: Vec<_> =
        keeper.list(Some(&acme), None, 10).await.unwrap().iter().map(|facts| facts.version).collect();
    assert_eq!(versions, [12, 9]);
    assert_eq!((metrics.failed.get(), metrics.skipped.get()), (0, 0));
    assert!(metrics.hits.get() > 0, "and the next command found the state in memory");
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_fails_no_command() {
    let (events, id, acme) = (Events::new().await, ExecutionId(Uuid::now_v7()), tenant("acme"));
    events.connect("owner").await.execute("revoke execute on function put_snapshot from app").await.unwrap();
    let (kept, metrics) = keeping(events.store().await, &every(1));
    for (version, command) in (1..).zip(commands(id, 5)) {
        assert_eq!(kept.execute(&acme, id.into(), command, &context()).await.unwrap().version, version);
        eventually("each is counted", SOON, async || metrics.failed.get() == version).await;
    }
    assert_eq!((metrics.written.get(), metrics.skipped.get()), (0, 0));
}

#[tokio::test]
async fn another_tenant_has_no_snapshot_and_makes_none() {
    let kept = Kept::new().await;
    let (other, id) = (tenant("other"), AggregateId(kept.id.0));
    let found = kept.store.load_from_snapshot(&other, id, 1).await.unwrap();
    assert_eq!((found.snapshot, found.events), (None, vec![]));
    let acme = kept.store.load_from_snapshot(&tenant("acme"), id, 1).await.unwrap().snapshot.unwrap();
    assert!(!kept.store.put_snapshot(&other, id, "execution", &acme, 2).await.unwrap());
    let ahead = Sealed { version: 9, ..acme };
    assert!(!kept.store.put_snapshot(&tenant("acme"), id, "execution", &ahead, 2).await.unwrap());
    for role in ["app", "auditor"] {
        let seen: i64 = sqlx::query_scalar("select count(*) from snapshot")
            .fetch_one(&mut kept.events.connect(role).await)
            .await
            .unwrap();
        assert_eq!(seen, i64::from(role == "auditor"), "{role} names no tenant");
    }
    let mut app = kept.events.connect("app").await;
    assert!(app.execute("delete from snapshot").await.is_err());
}

#[tokio::test]
async fn whoever_keeps_house_lists_counts_cleans_and_drops() {
    let kept = Kept::new().await;
    let (acme, id) = (tenant("acme"), AggregateId(kept.id.0));
    executions(kept.store.clone()).take_snapshot(&acme, id, 5).await.unwrap();
    let auditor = SnapshotKeeper::new(pool(&kept.events.database.url("auditor"), 1).await);
    let totals = auditor.stats(None).await.unwrap();
    assert_eq!((totals.len(), totals[0].snapshots, totals[0].aggregates), (1, 2, 1));
    assert!(totals[0].stored_bytes < totals[0].state_bytes, "{totals:?}");
    assert!(auditor.drop(&acme, None).await.is_err(), "the auditor changes nothing");

    let keeper = SnapshotKeeper::new(kept.events.owner.clone());
    assert_eq!(keeper.clean(1).await.unwrap(), 1);
    assert_eq!(keeper.list(None, Some(id), 10).await.unwrap()[0].version, 8);
    assert_eq!(keeper.drop(&tenant("other"), None).await.unwrap(), 0);
    assert_eq!(keeper.drop(&acme, Some(&[AggregateId(Uuid::now_v7())])).await.unwrap(), 0);
    assert_eq!(keeper.drop(&acme, Some(&[id])).await.unwrap(), 1);
    assert_eq!(kept.fresh_state().await.used.get(), 0);
}

#[tokio::test]
async fn a_state_in_memory_does_not_outlive_its_history() {
    let (events, id, acme) = (Events::new().await, ExecutionId(Uuid::now_v7()), tenant("acme"));
    let (kept, _) = keeping(events.store().await, &every(100));
    for command in commands(id, 3) {
        kept.execute(&acme, id.into(), command, &context()).await.unwrap();
    }
    sqlx::query("select prune_events('acme', 'tenant-removed', 'test', 'it left', array[$1], array[4])")
        .bind(id.0)
        .execute(&events.owner)
        .await
        .unwrap();
    let (state, version) = kept.state(&acme, id.into(), Until::Now).await.unwrap();
    assert_eq!((state, version), (Execution::NotStarted, 0));
    let again = kept.execute(&acme, id.into(), start(id), &context()).await.unwrap();
    assert_eq!(again.version, 1);
}
