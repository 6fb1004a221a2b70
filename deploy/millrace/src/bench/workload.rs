//! Executions that never were, at a rate of one's choosing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use event_store::{Append, Codec, EventStore, Expected, PgEventStore};
use events::execution::{ExecutionStarted, ModelCalled};
use events::{
    AggregateId, DomainEvent, EventId, ExecutionEvent, ExecutionId, Metadata, NanoUsd, TenantId, Timestamp,
};
use hdrhistogram::Histogram;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::metronome::Metronome;
use super::report::histogram;

/// An open-loop load: appends are due at fixed times, however long earlier ones take, and each is timed from when it was
/// due.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) tenant: TenantId,
    /// Events of one transaction, all of one execution.
    pub(crate) events_per_append: u32,
    pub(crate) events_per_s: u32,
    pub(crate) duration: Duration,
    /// Connections that append.
    pub(crate) writers: u32,
}

/// An event that was acknowledged, for whoever watches it become visible.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) aggregate_id: AggregateId,
    pub(crate) version: u64,
    pub(crate) at: Instant,
}

/// What a load did.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) events: u64,
    pub(crate) took: Duration,
    /// Microseconds from when an append was due to its acknowledgement.
    pub(crate) append_us: Histogram<u64>,
}

/// Events of one synthetic execution, about; then the next begins.
const VERSIONS_MAX: u64 = 60;

/// Runs a load; `watcher` always has the newest acknowledgement.
pub(crate) async fn run(
    load: &Load,
    store: &PgEventStore,
    codec: &Arc<Codec<ExecutionEvent>>,
    watcher: Option<Arc<watch::Sender<Option<Acknowledged>>>>,
) -> anyhow::Result<Loaded> {
    let appends_per_s = f64::from(load.events_per_s) / f64::from(load.events_per_append);
    let interval = Duration::from_secs_f64(f64::from(load.writers) / appends_per_s);
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..load.writers {
        let offset = interval.mul_f64(f64::from(writer) / f64::from(load.writers));
        let (load, store, codec, watcher) = (load.clone(), store.clone(), Arc::clone(codec), watcher.clone());
        writers.spawn(async move { write(&load, &store, &codec, watcher, start + offset, interval).await });
    }
    let (mut events, mut append_us) = (0, histogram());
    while let Some(written) = writers.join_next().await {
        let (written, times) = written??;
        events += written;
        append_us.add(times)?;
    }
    Ok(Loaded { events, took: start.elapsed(), append_us })
}

async fn write(
    load: &Load,
    store: &PgEventStore,
    codec: &Codec<ExecutionEvent>,
    watcher: Option<Arc<watch::Sender<Option<Acknowledged>>>>,
    first: Instant,
    interval: Duration,
) -> anyhow::Result<(u64, Histogram<u64>)> {
    let (mut events, mut append_us) = (0, histogram());
    let mut execution = Synthetic::new();
    let metronome = Metronome::new()?;
    let mut due = first;
    while due < first + load.duration {
        metronome.until(due).await?;
        let append = execution.next(load.events_per_append, codec)?;
        store.append(&load.tenant, std::slice::from_ref(&append)).await.context("an append failed")?;
        append_us.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
        events += u64::from(load.events_per_append);
        if let Some(watcher) = &watcher {
            let acknowledged = Acknowledged {
                aggregate_id: append.aggregate_id,
                version: execution.version,
                at: Instant::now(),
            };
            watcher.send_replace(Some(acknowledged));
        }
        due += interval;
    }
    Ok((events, append_us))
}

/// One execution after another.
#[derive(Debug)]
pub(crate) struct Synthetic {
    id: ExecutionId,
    version: u64,
    versions_max: u64,
}

impl Synthetic {
    pub(crate) fn new() -> Self {
        Self { id: ExecutionId(Uuid::now_v7()), version: 0, versions_max: VERSIONS_MAX }
    }

    /// One that is there already, and goes on for ever.
    pub(crate) fn at(id: AggregateId, version: u64) -> Self {
        Self { id: ExecutionId(id.0), version, versions_max: u64::MAX }
    }

    /// The next append of `count` events.
    pub(crate) fn next(&mut self, count: u32, codec: &Codec<ExecutionEvent>) -> anyhow::Result<Append> {
        if self.version > self.versions_max {
            *self = Self::new();
        }
        let expected = Expected::Exactly(self.version);
        let mut events = Vec::with_capacity(count as usize);
        for _ in 0..count {
            events.push(codec.unsealed(&self.event()?, EventId(Uuid::now_v7()), Metadata::default())?);
            self.version += 1;
        }
        Ok(Append {
            aggregate_id: self.id.into(),
            aggregate_type: ExecutionEvent::AGGREGATE_TYPE.to_owned(),
            expected,
            events,
        })
    }

    fn event(&self) -> anyhow::Result<ExecutionEvent> {
        let execution_id = self.id;
        let occurred_at = Timestamp::from_micros(chrono::Utc::now().timestamp_micros());
        if self.version == 0 {
            return Ok(ExecutionStarted {
                execution_id,
                occurred_at,
                workflow_id: None,
                task: format!("bench-{execution_id}"),
                repository: "bench".to_owned(),
                model: "bench/none".to_owned(),
                agent: "bench 1".to_owned(),
                prompt_id: None,
                prompt_version: None,
                step_limit: None,
                cost_limit: None,
                requested_by: None,
            }
            .into());
        }
        let step = i32::try_from(self.version)?;
        Ok(ModelCalled {
            execution_id,
            occurred_at,
            step,
            prompt_tokens: 1_000,
            completion_tokens: 100,
            reasoning_tokens: 10,
            cached_tokens: 500,
            latency_us: Some(1_500_000),
            cost: Some(NanoUsd::new(2_500_000)),
            thought_bytes: 300,
        }
        .into())
    }
}
