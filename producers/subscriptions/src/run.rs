//! A subscriber that is run until it is told to stop.

use event_store::{EventLog, Filter, Slice, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{Config, Delivery, Metrics, Subscription};

/// An effect of the log, and the memory of how far it has come.
pub trait Subscriber: Send {
    /// Why it cannot go on. What may pass, a subscriber waits out by itself.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The position that it stored last; 0 when it never did.
    fn position(&mut self) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Takes the effect of a slice and remembers [`Slice::through`], both or neither.
    fn handle(&mut self, slice: Slice) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Hears that it is live, or no longer.
    fn signal(&mut self, _signal: Signal) {}
}

/// Where a subscriber stands against the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Everything that had settled took effect.
    CaughtUp,
    /// It is further behind than its configuration calls live.
    FellBehind,
}

/// Why a subscriber stopped before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error + 'static> {
    /// The log could not be read.
    #[error("the log could not be read")]
    Log(#[source] StoreError),
    /// The effect could not be taken.
    #[error("the subscriber could not go on")]
    Subscriber(#[source] E),
}

/// Runs a subscriber from where it left off until it is told to stop, between two slices.
pub async fn run<L: EventLog, S: Subscriber>(
    log: L,
    filter: Filter,
    config: Config,
    metrics: Metrics,
    subscriber: &mut S,
    stop: CancellationToken,
) -> Result<(), Error<S::Error>> {
    let after = subscriber.position().await.map_err(Error::Subscriber)?;
    let mut subscription = Subscription::new(log, filter, after, config).counted(metrics);
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            delivery = subscription.next() => delivery.map_err(Error::Log)?,
        };
        match delivery {
            Delivery::Slice(slice) => subscriber.handle(slice).await.map_err(Error::Subscriber)?,
            Delivery::CaughtUp { .. } => subscriber.signal(Signal::CaughtUp),
            Delivery::FellBehind { .. } => subscriber.signal(Signal::FellBehind),
        }
    }
}
