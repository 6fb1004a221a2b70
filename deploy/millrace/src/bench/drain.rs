//! How fast a backlog reaches Kafka.

use std::sync::Arc;
use std::time::Instant;

use events::{DomainEvent, ExecutionEvent};

use super::Output;
use super::backlog::{arrival, pile_up};
use super::report::{Aim, Figure};
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
    let arrived = arrival("reached the topic", before, before + appended, async || {
        end_of(&topic, ExecutionEvent::TOPIC).await
    });
    let arrived = arrived.await?;
    Ok(vec![
        // The start of the connector's task is its own figure.
        Figure::new("drain.rate", arrived.rate(), "events/s", Aim::AtLeast(35_000.0)),
        Figure::new("drain.events", appended as f64, "count", Aim::None),
        Figure::new("drain.start", arrived.first_at.duration_since(resumed).as_secs_f64(), "s", Aim::None),
        Figure::new("drain.whole", arrived.last_at.duration_since(resumed).as_secs_f64(), "s", Aim::None),
    ])
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
