//! What one flush does to the sink.

use std::sync::Arc;

use events::Timestamp;
use projection::Row;

use crate::parking::{Decision, Park, Release, Settled};
use crate::record::Fingerprint;
use crate::store::RowKey;

/// Everything one flush changes, over all its partitions.
#[derive(Debug, Clone)]
pub struct Changes<V> {
    /// The topic all of it came from.
    pub topic: Arc<str>,
    /// The partitions, each at most once. All that follows belongs to one of them.
    pub progress: Vec<Progress>,
    /// The rows that changed, each at most once, sorted by key.
    pub rows: Vec<RowChange<V>>,
    /// Records to park, in the order in which they lay.
    pub parks: Vec<Park>,
    /// Versions and records that an operator decided to do without.
    pub decisions: Vec<Decision>,
    /// Parked records that are done with: applied, stale, or discarded.
    pub releases: Vec<Release>,
    /// Requests of operators that were carried out, or could not be.
    pub settled: Vec<Settled>,
}

impl<V> Changes<V> {
    /// Nothing yet.
    pub fn new(topic: Arc<str>) -> Self {
        Self {
            topic,
            progress: Vec::new(),
            rows: Vec::new(),
            parks: Vec::new(),
            decisions: Vec::new(),
            releases: Vec::new(),
            settled: Vec::new(),
        }
    }
}

/// How far a partition gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The partition.
    pub partition: i32,
    /// The epoch it is ours under.
    pub epoch: i64,
    /// Where the sink stands; a sink that stands elsewhere refuses as if fenced.
    pub from: i64,
    /// The first offset that is not applied once this is; equal to `from` when only parked records are worked on.
    pub next_offset: i64,
    /// What the record before that is, to be told with the next claim.
    pub fingerprint: Option<Fingerprint>,
}

/// One row before and after; whoever else keeps it shares it.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange<V> {
    /// Its name.
    pub key: RowKey,
    /// The partition whose events changed it.
    pub partition: i32,
    /// What the sink has (version 0: no row yet); totals follow from the difference of contributions.
    pub old: Arc<Row<V>>,
    /// What it shall have.
    pub new: Arc<Row<V>>,
    /// The last event that changed it.
    pub last: Source,
}

/// Where a row's newest event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its offset in the partition.
    pub offset: i64,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When the store wrote it.
    pub recorded_at: Timestamp,
}
