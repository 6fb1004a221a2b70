//! A backlog: made in the store, and watched while it goes where it is to go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use event_store::{Append, Codec, EventStore};
use events::{DomainEvent, ExecutionEvent};
use kafka::TopicReader;
use tokio::task::JoinSet;

use super::WriteSide;
use super::workload::Synthetic;
use crate::chain::end_of;

/// Events of one transaction while the backlog is made.
const EVENTS_PER_APPEND: u32 = 50;
const WRITERS: u32 = 4;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Nothing moved for so long: it never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// A topic with so many events.
#[derive(Debug, clap::Args)]
pub(super) struct BacklogArgs {
    /// Events that the topic is to have at least
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Executions whose events take turns in what is appended
    #[arg(long, default_value_t = 20_000)]
    executions: u32,
}

impl BacklogArgs {
    /// Appends what the topic lacks, and waits until it is there; answers what it has.
    pub(super) async fn fill(&self, stack: &str, topic: &Arc<TopicReader>) -> anyhow::Result<u64> {
        let has = end_of(topic, ExecutionEvent::TOPIC).await?;
        let lacking = self.events.saturating_sub(has);
        if lacking == 0 {
            return Ok(has);
        }
        let until = has + pile_up_by_turns(stack, lacking, self.executions).await?;
        let end = async || end_of(topic, ExecutionEvent::TOPIC).await;
        arrival("reached the topic", has, until, end).await?;
        Ok(until)
    }
}

/// How a backlog arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    /// When the first of it was seen.
    pub(super) first_at: Instant,
    /// When the last was.
    pub(super) last_at: Instant,
    /// How many came in between: those that were seen first took an unknown time.
    pub(super) events: u64,
}

impl Arrived {
    /// Events a second.
    pub(super) fn rate(&self) -> f64 {
        self.events as f64 / self.last_at.duration_since(self.first_at).as_secs_f64()
    }
}

/// Waits until a count that begins at `from` reaches `until`.
pub(super) async fn arrival(
    what: &str,
    from: u64,
    until: u64,
    mut count: impl AsyncFnMut() -> anyhow::Result<u64>,
) -> anyhow::Result<Arrived> {
    let (mut first, mut last_at, mut seen) = (None, Instant::now(), from);
    while seen < until {
        tokio::time::sleep(LOOK).await;
        let now = count().await?;
        if now > seen {
            (last_at, seen) = (Instant::now(), now);
            first.get_or_insert((last_at, now));
        }
        if last_at.elapsed() > PATIENCE {
            bail!("{} of {} events {what} and no more follow", seen - from, until - from);
        }
    }
    let (first_at, first_seen) = first.context("there was no backlog")?;
    Ok(Arrived { first_at, last_at, events: seen - first_seen })
}

/// Appends at least so many events, of one execution after the other; answers how many they are.
pub(super) async fn pile_up(stack: &str, events: u64) -> anyhow::Result<u64> {
    let one_by_one = || -> Writer {
        let mut execution = Synthetic::new();
        Box::new(move |codec| Ok(vec![execution.next(EVENTS_PER_APPEND, codec)?]))
    };
    pile_up_with(stack, events, one_by_one).await
}

/// The same of so many executions, which take turns event by event.
async fn pile_up_by_turns(stack: &str, events: u64, executions: u32) -> anyhow::Result<u64> {
    let by_turns = || -> Writer {
        let of_one = (executions / WRITERS).max(EVENTS_PER_APPEND);
        let mut executions: VecDeque<_> = (0..of_one).map(|_| Synthetic::new()).collect();
        Box::new(move |codec| {
            let mut next = || {
                executions.rotate_left(1);
                executions[0].next(1, codec)
            };
            (0..EVENTS_PER_APPEND).map(|_| next()).collect()
        })
    };
    pile_up_with(stack, events, by_turns).await
}

/// Makes what is appended in the next transaction.
type Writer = Box<dyn FnMut(&Codec<ExecutionEvent>) -> anyhow::Result<Vec<Append>> + Send>;

async fn pile_up_with(stack: &str, events: u64, writer: impl Fn() -> Writer) -> anyhow::Result<u64> {
    let side = WriteSide::connect(stack, WRITERS).await?;
    let appends = events.div_ceil(u64::from(EVENTS_PER_APPEND * WRITERS));
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (store, codec, tenant) = (side.store.clone(), Arc::clone(&side.codec), side.tenant.clone());
        let mut next = writer();
        writers.spawn(async move {
            for _ in 0..appends {
                store.append(&tenant, &next(&codec)?).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    Ok(appends * u64::from(EVENTS_PER_APPEND * WRITERS))
}
