//! What can go wrong, and with what.

use events::{AggregateId, EventId, Timestamp};

use crate::{EVENTS_MAX, Expected, StoredEvent};

/// Why nothing was appended (or why it is not known whether something was).
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else was faster. Nothing was written; a surrounding transaction goes on.
    #[error("{} of the aggregates changed in between; first {}", .0.len(), first(.0))]
    Conflict(Vec<Conflict>),
    /// The store already has an event of that id. Nothing was written.
    #[error("event {event_id} is already stored")]
    Duplicate {
        /// The event.
        event_id: EventId,
    },
    /// The idempotency key belongs to another command. Nothing was written; a surrounding transaction goes on.
    #[error("idempotency key {key:?} was used for another command")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// The aggregate's id is taken by somebody else.
    #[error("an aggregate id of this append is taken")]
    Taken,
    /// The aggregate's id is taken by another kind of aggregate.
    #[error("an aggregate of this append has another type: {0}")]
    OtherType(String),
    /// The append makes no sense.
    #[error("the append is invalid: {0}")]
    Invalid(#[from] Invalid),
    /// The connection broke between sending and hearing. Repeat the same append: its event ids make that safe.
    #[error("the store did not answer, so it is unknown whether the events were stored")]
    Unknown(#[source] StoreError),
    /// The store failed; nothing was written.
    #[error("the events were not stored")]
    Store(#[source] StoreError),
}

fn first(conflicts: &[Conflict]) -> String {
    conflicts.first().map(ToString::to_string).unwrap_or_default()
}

/// An aggregate is not where the caller thought.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{aggregate_id} is at version {actual}, not {expected:?}")]
pub struct Conflict {
    /// Which.
    pub aggregate_id: AggregateId,
    /// What the caller believed.
    pub expected: Expected,
    /// Its last version.
    pub actual: u64,
    /// What the caller does not know, in order; at most [`Conflict::EVENTS_MAX`], load the rest. They begin later than at
    /// the next version where events were archived meanwhile.
    pub events: Vec<StoredEvent>,
}

impl Conflict {
    /// The most events that one carries.
    pub const EVENTS_MAX: usize = 100;
}

/// Why an append makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It has no events at all.
    #[error("nothing is to be appended")]
    Nothing,
    /// One of its aggregates has no events, and there is no idempotency key that could keep this as an answer.
    #[error("no events are given for aggregate {0}")]
    NoEvents(AggregateId),
    /// It names an aggregate twice.
    #[error("aggregate {0} is named twice")]
    AggregateTwice(AggregateId),
    /// It has an event twice.
    #[error("event {0} is given twice")]
    EventTwice(EventId),
    /// An event says it happened at a time that not every reader could read.
    #[error("event {event_id} is outside the years 1 to 9999: {} microseconds since 1970", .occurred_at.micros())]
    OutOfTime {
        /// The event.
        event_id: EventId,
        /// When it says it happened.
        occurred_at: Timestamp,
    },
    /// It is too long.
    #[error("{events} events are more than the {EVENTS_MAX} that one append takes")]
    TooMany {
        /// How many it has.
        events: usize,
    },
    /// A rule of the table refuses it.
    #[error("the store refuses it: {0}")]
    Refused(String),
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The outbox has no partition for today.
    #[error(
        "the outbox has no partition for today; make one (outbox_roll), nothing can be appended until then"
    )]
    NoPartition(#[source] sqlx::Error),
    /// A statement did not run.
    #[error("could not {what}")]
    Database {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        source: sqlx::Error,
    },
    /// What was asked for left the store for an archive. Never a shortened history.
    #[error("versions up to {through_version} of aggregate {aggregate_id} are archived")]
    Archived {
        /// Whose events.
        aggregate_id: AggregateId,
        /// The first version that counts: 1, or the one that withdrew what was before it, when that is gone for good.
        from_version: u64,
        /// The last version that is not in the store any more.
        through_version: u64,
    },
    /// The version or the moment that was asked for lies before a withdrawal, and what was before it is gone for good.
    /// Whoever asks for what is true now is answered from the withdrawal on.
    #[error("versions up to {through_version} of aggregate {aggregate_id} were withdrawn and are gone")]
    Withdrawn {
        /// Whose events.
        aggregate_id: AggregateId,
        /// The last version that is gone.
        through_version: u64,
    },
    /// A reader of the log stands where this log has never been: its memory is of another one, or the store was restored
    /// from an older backup. To go on from there would skip what is appended until the log gets there.
    #[error(
        "position {position} is beyond the log, which has settled up to {settled}; was an older backup restored?"
    )]
    AheadOfLog {
        /// Where the reader stands.
        position: u64,
        /// Where the log is.
        settled: u64,
    },
    /// A row is not what this program would have written.
    #[error("event at position {position} is unreadable: {reason}")]
    Unreadable {
        /// Where it is.
        position: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// A range of `pruned` is not what this program would have written.
    #[error("what was pruned of aggregate {aggregate_id} is unreadable: {reason}")]
    UnreadableRange {
        /// Whose.
        aggregate_id: AggregateId,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    /// Whether the server ended the transaction in favour of another one: deadlock or serialisation. It is undone.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Database { source: sqlx::Error::Database(e), .. } if e.code().is_some_and(|c| c.starts_with("40")))
    }

    /// Whether the same call may succeed later with nobody changing anything.
    pub fn is_transient(&self) -> bool {
        let Self::Database { source, .. } = self else { return false };
        match source {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(e) => {
                // Connection trouble, lack of resources, operator's intervention, serialisation and deadlock.
                e.code().is_some_and(|c| ["08", "53", "57", "40"].iter().any(|class| c.starts_with(class)))
            }
            _ => false,
        }
    }
}
