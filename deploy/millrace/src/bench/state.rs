//! How long it takes to get to an aggregate's state, and to read the whole log.

use std::sync::Arc;
use std::time::Instant;

use agents::Execution;
use event_store::{
    Append, Codec, EventLog, EventStore, Expected, InMemoryEventStore, PgEventLog, Repository, Sealed,
    SnapshotConfig, SnapshotMetrics, SnapshotPolicy, Until,
};
use events::execution::{ExecutionStarted, ModelCalled};
use events::{AggregateId, DomainEvent, EventId, ExecutionEvent, ExecutionId, Metadata, Timestamp};
use hdrhistogram::Histogram;
use uuid::Uuid;

use super::report::{Aim, Figure, histogram, percentiles_ms};
use super::{Output, WriteSide};
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct StateArgs {
    /// Events of the aggregate
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    events: u32,
    /// How often each way to its state is taken
    #[arg(long, default_value_t = 500)]
    rounds: u32,
    /// Events of the log that are read at most, as far as there are so many
    #[arg(long, default_value_t = 500_000)]
    log_events: u64,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &StateArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let side = WriteSide::connect(stack, 2).await?;
    let registry = wire::Registry::new(&settings(stack)?)?;
    let codec = async || Codec::<ExecutionEvent>::prepare(&registry).await;
    let id = ExecutionId(Uuid::now_v7());
    let history = Append {
        aggregate_id: id.into(),
        aggregate_type: ExecutionEvent::AGGREGATE_TYPE.to_owned(),
        expected: Expected::None,
        events: history(id, args.events)
            .iter()
            .map(|event| side.codec.unsealed(event, EventId(Uuid::now_v7()), Metadata::default()))
            .collect::<Result<_, _>>()?,
    };
    side.store.append(&side.tenant, std::slice::from_ref(&history)).await?;
    let memory = Arc::new(InMemoryEventStore::new(|| Timestamp::from_micros(0)));
    memory.append(&side.tenant, std::slice::from_ref(&history)).await?;

    let mut figures = vec![];
    let mut add = |name: &str, micros: Histogram<u64>, p95| {
        figures.extend(percentiles_ms(name, &micros, [Aim::None, p95, Aim::None]));
    };
    let folded = Repository::<Execution, _>::new(side.store.clone(), codec().await?);
    add("state.postgres.folded", states(&folded, &side, id.into(), args.rounds).await?, Aim::AtMost(2.0));
    let in_memory = Repository::<Execution, _>::new(memory.clone(), codec().await?);
    add("state.memory.folded", states(&in_memory, &side, id.into(), args.rounds).await?, Aim::AtMost(0.2));

    // Without a moment's memory every state comes from the snapshot; with some, from memory.
    let snapshot = async |cached_for| SnapshotConfig {
        policy: SnapshotPolicy::EXPLICIT,
        cached_for,
        ..SnapshotConfig::default()
    };
    folded.take_snapshot(&side.tenant, id.into(), 1).await?;
    for (name, cached_for) in [("snapshot", std::time::Duration::ZERO), ("cached", std::time::Duration::MAX)]
    {
        let metrics = SnapshotMetrics::new("execution");
        let repository = Repository::<Execution, _>::new(side.store.clone(), codec().await?)
            .with_snapshots(&snapshot(cached_for).await, metrics);
        let name = format!("state.postgres.{name}");
        add(&name, states(&repository, &side, id.into(), args.rounds).await?, Aim::AtMost(5.0));
    }
    let metrics = SnapshotMetrics::new("execution");
    let cached = Repository::<Execution, _>::new(memory, codec().await?)
        .with_snapshots(&snapshot(std::time::Duration::MAX).await, metrics);
    add("state.memory.cached", states(&cached, &side, id.into(), args.rounds).await?, Aim::AtMost(0.2));
    add("snapshot.take", taken(&folded, &side, id.into(), args.rounds).await?, Aim::AtMost(5.0));

    let (events, seconds) = read(stack, args.log_events).await?;
    figures.push(Figure::new("log.read", events as f64 / seconds, "events/s", Aim::AtLeast(150_000.0)));
    figures.push(Figure::new("log.read.events", events as f64, "count", Aim::None));
    Ok(figures)
}

/// A run of one start and then model calls.
pub(super) fn history(execution_id: ExecutionId, events: u32) -> Vec<ExecutionEvent> {
    let started = ExecutionEvent::Started(ExecutionStarted {
        execution_id,
        occurred_at: Timestamp::from_micros(0),
        workflow_id: None,
        task: "django__django-11099".into(),
        repository: "django/django".into(),
        model: "a model of some length".into(),
        agent: "bench".into(),
        prompt_id: None,
        prompt_version: None,
        step_limit: None,
        cost_limit: None,
        requested_by: None,
    });
    let calls = (1..).zip(1..events).map(|(step, _)| {
        ExecutionEvent::ModelCalled(ModelCalled {
            execution_id,
            occurred_at: Timestamp::from_micros(i64::from(step)),
            step,
            prompt_tokens: 12_345,
            completion_tokens: 678,
            reasoning_tokens: 0,
            cached_tokens: 0,
            latency_us: Some(1_234_567),
            cost: None,
            thought_bytes: 250,
        })
    });
    std::iter::once(started).chain(calls).collect()
}

async fn states<S: EventStore>(
    repository: &Repository<Execution, S>,
    side: &WriteSide,
    id: AggregateId,
    rounds: u32,
) -> anyhow::Result<Histogram<u64>> {
    let mut micros = histogram();
    for round in 0..rounds + rounds / 10 {
        let begun = Instant::now();
        let (state, version) = repository.state(&side.tenant, id, Until::Now).await?;
        let took = begun.elapsed();
        anyhow::ensure!(version > 0 && state != Execution::NotStarted, "the history is not there");
        if round >= rounds / 10 {
            micros.saturating_record(u64::try_from(took.as_micros())?);
        }
    }
    Ok(micros)
}

/// Sealing and opening again, and writing to the store.
async fn taken<S: EventStore>(
    repository: &Repository<Execution, S>,
    side: &WriteSide,
    id: AggregateId,
    rounds: u32,
) -> anyhow::Result<Histogram<u64>> {
    let (state, version) = repository.state(&side.tenant, id, Until::Now).await?;
    let last = repository.store().load(&side.tenant, id, version - 1).await?;
    let event_id = last.first().map(|event| event.event_id).expect("it was just read");
    let mut micros = histogram();
    for _ in 0..rounds {
        let begun = Instant::now();
        let sealed = Sealed::seal(&state, version, event_id)?;
        let kept =
            repository.store().put_snapshot(&side.tenant, id, ExecutionEvent::AGGREGATE_TYPE, &sealed, 1);
        anyhow::ensure!(kept.await?, "the snapshot was not kept");
        micros.saturating_record(u64::try_from(begun.elapsed().as_micros())?);
    }
    Ok(micros)
}

/// Reads the log in large slices: how many events, in how many seconds.
async fn read(stack: &str, most: u64) -> anyhow::Result<(u64, f64)> {
    let config: event_store::AuditConfig = settings(stack)?;
    let log = PgEventLog::new(config.connect().await?);
    let (mut position, mut events) = (0, 0);
    let begun = Instant::now();
    while events < most {
        let page = log.read_all(position, 10_000).await?;
        let Some(last) = page.last() else { break };
        (position, events) = (last.position, events + page.len() as u64);
    }
    Ok((events, begun.elapsed().as_secs_f64()))
}
