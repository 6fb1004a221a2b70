//! What is appended, and what came of it.

use std::collections::HashSet;

use events::{AggregateId, EventId, Metadata, Timestamp};

use crate::{AppendError, IdempotencyKey, Invalid};

/// 0001-01-01T00:00:00Z and the last microsecond of the year 9999: what every reader of a header can read.
const OCCURRED_MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// The most events one append takes: one transaction that Debezium must hold in memory. They may be of as many
/// aggregates, each of which takes one of the server's locks (`max_locks_per_transaction` × `max_connections` in all).
pub const EVENTS_MAX: usize = 1000;

/// Events for one aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Whose events.
    pub aggregate_id: AggregateId,
    /// Its type, as in the topic's name; the same for all of its life.
    pub aggregate_type: String,
    /// What the caller believes about its past.
    pub expected: Expected,
    /// At least one, in order; none only under an idempotency key, for a command that changed nothing.
    pub events: Vec<NewEvent>,
}

/// An event that the store does not have yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Its name for ever, chosen by the caller: repeat an append with the same ids and nothing is stored twice.
    pub event_id: EventId,
    /// Name of its Avro record.
    pub event_type: String,
    /// Avro in Confluent framing.
    pub payload: Vec<u8>,
    /// The payload for people; code never reads it.
    pub data: serde_json::Value,
    /// Why it exists.
    pub metadata: Metadata,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// What the caller believes about an aggregate's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It has none.
    None,
    /// Exactly this version is its last.
    Exactly(u64),
    /// It has one.
    Exists,
    /// Nothing.
    Any,
}

impl Expected {
    /// Whether an aggregate whose last version is `actual` is as expected.
    pub fn holds(self, actual: u64) -> bool {
        match self {
            Self::None => actual == 0,
            Self::Exactly(version) => actual == version,
            Self::Exists => actual > 0,
            Self::Any => true,
        }
    }

    /// The last version that the caller knows of.
    pub fn known(self) -> u64 {
        match self {
            Self::None | Self::Exists | Self::Any => 0,
            Self::Exactly(version) => version,
        }
    }
}

/// Everything was stored: now, or by an earlier command of the same idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Where, for each aggregate, in the order of the call that stored it.
    pub aggregates: Vec<AppendedTo>,
    /// When: one instant for all.
    pub recorded_at: Timestamp,
    /// Whether this is the answer to an earlier command of the same key, and nothing was stored now. That command may be the
    /// first try of this very call, when its answer was lost.
    pub repeated: bool,
}

/// Where an aggregate's new events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedTo {
    /// Whose.
    pub aggregate_id: AggregateId,
    /// The version of the last of them, then the aggregate's.
    pub version: u64,
    /// How many they are; none when a command changed nothing.
    pub events: u64,
    /// Position of the first; 0 where there is none.
    pub first_position: u64,
    /// Position of the last; 0 where there is none.
    pub last_position: u64,
}

/// Refuses what no store should be asked.
pub(crate) fn check(appends: &[Append], key: Option<&IdempotencyKey>) -> Result<(), AppendError> {
    let (mut aggregates, mut ids, mut events) = (HashSet::new(), HashSet::new(), 0);
    for append in appends {
        if !aggregates.insert(append.aggregate_id) {
            return Err(Invalid::AggregateTwice(append.aggregate_id).into());
        }
        if append.events.is_empty() && key.is_none() {
            return Err(Invalid::NoEvents(append.aggregate_id).into());
        }
        events += append.events.len();
        if let Some(twice) = append.events.iter().find(|event| !ids.insert(event.event_id)) {
            return Err(Invalid::EventTwice(twice.event_id).into());
        }
        let is_out_of_time = |event: &&NewEvent| !OCCURRED_MICROS.contains(&event.occurred_at.micros());
        if let Some(event) = append.events.iter().find(is_out_of_time) {
            return Err(
                Invalid::OutOfTime { event_id: event.event_id, occurred_at: event.occurred_at }.into()
            );
        }
    }
    match events {
        _ if appends.is_empty() => Err(Invalid::Nothing.into()),
        0..=EVENTS_MAX => Ok(()),
        _ => Err(Invalid::TooMany { events }.into()),
    }
}
