//! How fast a backlog reaches Kafka.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use event_store::{Append, Codec, EventStore};
use events::{DomainEvent, ExecutionEvent};
use tokio::task::JoinSet;

use super::report::{Aim, Figure};
use super::workload::Synthetic;
use super::{Output, WriteSide};
use crate::chain::{ChainArgs, end_of};
use crate::connector::{ConnectArgs, let_go};
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct DrainArgs {
    /// Events to pile up while the connector is stopped
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Events of one transaction while the backlog is made.
const EVENTS_PER_APPEND: u32 = 50;
const WRITERS: u32 = 4;
/// Nothing moved for so long: it never will.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn figures(args: &DrainArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let connect: ConnectArgs = settings(stack)?;
    let (client, outbox) = (connect.client()?, connect.connector().await?);
    let chain: ChainArgs = settings(stack)?;
    let topic = Arc::new(chain.topics.reader()?);

    client.stop(&outbox.name).await?;
    let_go(&mut connect.cdc().await?, &client, &outbox).await?;
    let before = end_of(&topic, ExecutionEvent::TOPIC).await?;
    let appended = pile_up(stack, args.events).await?;

    let resumed = Instant::now();
    client.resume(&outbox.name).await?;
    let (mut first, mut last, mut seen) = (None, Instant::now(), before);
    while seen < before + appended {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = end_of(&topic, ExecutionEvent::TOPIC).await?;
        if now > seen {
            first.get_or_insert_with(|| (Instant::now(), now));
            (last, seen) = (Instant::now(), now);
        }
        if last.elapsed() > PATIENCE {
            bail!("{} of {appended} events have reached the topic and no more follow", seen - before);
        }
    }
    let (first_at, first_end) = first.context("the backlog was empty")?;
    // From the first sight of a record, less the records seen then: the start of the connector's task is its own figure.
    let drained = (seen - first_end) as f64 / last.duration_since(first_at).as_secs_f64();
    Ok(vec![
        Figure::new("drain.rate", drained, "events/s", Aim::AtLeast(35_000.0)),
        Figure::new("drain.events", appended as f64, "count", Aim::None),
        Figure::new("drain.start", first_at.duration_since(resumed).as_secs_f64(), "s", Aim::None),
        Figure::new("drain.whole", last.duration_since(resumed).as_secs_f64(), "s", Aim::None),
    ])
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
pub(super) async fn pile_up_by_turns(stack: &str, events: u64, executions: u32) -> anyhow::Result<u64> {
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

/// Does some work while nothing is read from the outbox.
pub(super) async fn without_connector<T>(
    stack: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let connect: ConnectArgs = settings(stack)?;
    let (client, outbox) = (connect.client()?, connect.connector().await?);
    client.stop(&outbox.name).await?;
    let done = work.await;
    client.resume(&outbox.name).await?;
    done
}
