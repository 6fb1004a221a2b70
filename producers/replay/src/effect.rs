//! What a replay does with events.

use std::collections::HashMap;

use event_store::StoredEvent;
use events::{AggregateId, EventId};

/// Shares of the aggregates, each with a checkpoint of its own. More workers than that would have nothing to do.
pub const LANES: u16 = 16;

/// The lane of an aggregate, the same for ever: checkpoints rely on it.
pub fn lane(aggregate_id: AggregateId) -> u16 {
    // The end of an id is random, in whatever way it was made.
    let (high, low) = aggregate_id.0.as_u64_pair();
    ((high ^ low ^ (low >> 32)) % u64::from(LANES)) as u16
}

/// The next events of one lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Which.
    pub lane: u16,
    /// By position; none: there is only a position to remember.
    pub events: Vec<StoredEvent>,
    /// Where the lane's checkpoint is.
    pub after: u64,
    /// Where it is to be once the events took effect.
    pub through: u64,
}

/// An event that cannot be applied; what came of the others of its aggregate is the effect's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub event_id: EventId,
    /// Where it is.
    pub position: u64,
    /// Why not.
    pub reason: String,
}

impl Failure {
    /// This event failed.
    pub fn of(event: &StoredEvent, reason: impl Into<String>) -> Self {
        Self { event_id: event.event_id, position: event.position, reason: reason.into() }
    }
}

/// An effect of events, and the memory of how far it has come.
pub trait Effect: Send + Sync {
    /// Why a batch had no effect at all.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Where each lane is; one that is absent begins at the first event.
    fn checkpoints(&self) -> impl Future<Output = Result<HashMap<u16, u64>, Self::Error>> + Send;

    /// Takes the effect of a batch and remembers its `through` for its lane, both or neither. Answers the events that it
    /// could do nothing with; an effect that must know of them after a kill stores them in the same transaction.
    fn apply(&self, batch: &Batch) -> impl Future<Output = Result<Vec<Failure>, Self::Error>> + Send;

    /// Whether the same batch may be taken later.
    fn is_transient(error: &Self::Error) -> bool;
}
