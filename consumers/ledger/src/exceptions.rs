//! What may be absent from a topic or a sink, and why.

use std::collections::HashMap;

use events::{AggregateId, EventId};
use serde::Serialize;

/// A record that the projection parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The aggregate and version it is, if its headers say so.
    pub event: Option<(AggregateId, u64)>,
    /// Why it parked.
    pub reason: String,
}

/// That a person decided to do without an event or a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Partition and offset, if it was in the topic.
    pub record: Option<(i32, i64)>,
    /// The aggregate and version, if it was an event.
    pub event: Option<(AggregateId, u64)>,
    /// Why, and who.
    pub reason: String,
}

/// That a person let an event's row by on its way to its topic, because it could not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Which event.
    pub event_id: EventId,
    /// Where its row is in the log.
    pub lsn: String,
    /// Why, and who.
    pub reason: String,
}

/// That a person had a stored event published again, so that its record may lie behind later versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Republished {
    /// Which event.
    pub event_id: EventId,
    /// Why, and who.
    pub reason: String,
}

/// What one projection parked and what was decided about it.
#[derive(Debug, Clone, Default)]
pub struct Exceptions {
    parked: HashMap<(AggregateId, u64), String>,
    decided: HashMap<(AggregateId, u64), String>,
    parked_records: HashMap<(i32, i64), String>,
    decided_records: HashMap<(i32, i64), String>,
}

impl Exceptions {
    /// Adds a parked record.
    pub fn park(&mut self, parked: Parked) {
        self.parked_records.insert((parked.partition, parked.offset), parked.reason.clone());
        if let Some(event) = parked.event {
            self.parked.insert(event, parked.reason);
        }
    }

    /// Adds a decision.
    pub fn decide(&mut self, decided: Decided) {
        if let Some(record) = decided.record {
            self.decided_records.insert(record, decided.reason.clone());
        }
        if let Some(event) = decided.event {
            self.decided.insert(event, decided.reason);
        }
    }

    /// Why this version has no effect, ever.
    pub(crate) fn decided(&self, aggregate: AggregateId, version: u64) -> Option<&str> {
        self.decided.get(&(aggregate, version)).map(String::as_str)
    }

    /// The versions of an aggregate that have no effect, ever.
    pub fn decided_of(&self, aggregate: AggregateId) -> impl Iterator<Item = u64> {
        self.decided.keys().filter(move |(id, _)| *id == aggregate).map(|(_, version)| *version)
    }

    /// Whether any version up to this one has no effect, ever.
    pub(crate) fn has_decided(&self, aggregate: AggregateId, through: u64) -> bool {
        self.decided_of(aggregate).any(|version| version <= through)
    }

    /// Why this version has no effect yet.
    pub(crate) fn parked(&self, aggregate: AggregateId, version: u64) -> Option<&str> {
        self.parked.get(&(aggregate, version)).map(String::as_str)
    }

    pub(crate) fn decided_record(&self, partition: i32, offset: i64) -> Option<&str> {
        self.decided_records.get(&(partition, offset)).map(String::as_str)
    }

    pub(crate) fn parked_record(&self, partition: i32, offset: i64) -> Option<&str> {
        self.parked_records.get(&(partition, offset)).map(String::as_str)
    }
}
