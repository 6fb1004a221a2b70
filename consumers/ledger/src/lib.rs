//! Completeness: store, topic and sinks compared by id, bytes, version and digest.
//!
//! The store is the truth. A [`Ledger`] is fed the events of the store, then the records of the topics, and compares
//! them by event id, topic and payload. A [`Sink`] is fed what a sink has, then the same events of the store, folds them with
//! the projection itself and compares each row by version, sum and view, and the totals and leaderboards with the rows.
//! What is absent because a key is parked or a person decided so is listed as explained, never passed over; so are rows that
//! were let by on their way to the topics ([`Skipped`]). What left the store on purpose ([`Pruned`]) is a counted set of its
//! own: the store lacks exactly that, and the topic has it still, with the sum that it had when it left. What a topic's retention took ([`Ledger::shortened`]) is counted too: the oldest
//! events of an aggregate, and never one behind an event that is there.
//!
//! It promises to find, and to name with tenant, aggregate, version, event id, partition and offset where there are
//! such, the first event or record that is missing, foreign, doubled, reordered, diverging or scattered over partitions
//! ([`Kind`]); and that nothing compared is nothing proved ([`Verdict::Vacuous`]). What it compares must stand still
//! meanwhile: writers stopped, everything drained. It knows no database and no broker; whoever calls it reads them.
//!
//! ```
//! let store: Vec<ledger::StoreRecord> = Vec::new(); // as read from the event store
//! let mut ledger = ledger::Ledger::new();
//! for record in &store {
//!     ledger.store(record);
//! }
//! let report = ledger.finish();
//! assert_eq!(report.verdict(), ledger::Verdict::Vacuous);
//! println!("{report}");
//! ```

mod exceptions;
mod finding;
mod pruned;
mod reconcile;
mod report;
mod running;
mod sink;
mod store;
mod sums;
mod topic;

#[cfg(test)]
mod tests;

pub use exceptions::{Decided, Exceptions, Parked, Republished, Skipped};
pub use finding::{Explained, Finding, Kind, Stage};
pub use pruned::{Pruned, PrunedCounts, Reason, UnknownReason};
pub use reconcile::{Reconciled, Reconciliation, TopicEvent, Unpublished};
pub use report::{Counts, Report, SinkCounts, StoreCounts, TopicCounts, Verdict};
pub use running::{
    Account, Entries, Entry, Judged, Lost, Missed, Moments, Running, RunningCounts, RunningReport,
    RunningStages, RunningVerdict, Sought, Stream, Streams, Suspect,
};
pub use sink::{Sampled, Sink, Totals};
pub use store::StoreRecord;
pub use topic::TopicRecord;

use events::Timestamp;
use finding::Findings;
use projection::Projection;
use sink::Outcome;
use store::Store;
use topic::Topic;

/// What is compared. Feed what was pruned, then the whole store, then all of its topics, then each sink, then
/// [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct Ledger {
    store: Store,
    topic: Topic,
    sinks: Vec<Outcome>,
    skipped: Vec<Skipped>,
    findings: Findings,
}

impl Ledger {
    /// Nothing compared yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Versions that left the store on purpose.
    pub fn pruned(&mut self, pruned: Pruned) {
        self.store.pruned.add(pruned);
    }

    /// A row that was let by: its event may be missing from its topic.
    pub fn skipped(&mut self, skipped: Skipped) {
        self.skipped.push(skipped);
    }

    /// An event that was published again: its record may come late.
    pub fn republished(&mut self, republished: Republished) {
        self.topic.republished(republished);
    }

    /// The next event of the store, in the order of its positions.
    pub fn store(&mut self, record: &StoreRecord<'_>) {
        self.store.add(record, &mut self.findings);
    }

    /// A partition that no longer begins where it began, and when its first record that is left was written (none: now).
    /// Events from before that may have left it.
    pub fn shortened(&mut self, topic: &str, partition: i32, since: Timestamp) {
        self.topic.shortened(topic, partition, since);
    }

    /// The next record of a topic, partition by partition or mixed, but in the order of offsets within each.
    pub fn topic(&mut self, record: &TopicRecord<'_>) {
        self.topic.add(record, &mut self.store, &mut self.findings);
    }

    /// What was found at a sink.
    pub fn sink<P: Projection>(&mut self, sink: Sink<P>) {
        self.sinks.push(sink.finish());
    }

    /// The comparison.
    pub fn finish(mut self) -> Report {
        let mut explained = Vec::new();
        let exceptions: Vec<_> = self.sinks.iter().map(|sink| (&sink.counts, &sink.exceptions)).collect();
        let skipped = self.skipped.iter().map(|skipped| skipped.event_id).collect();
        self.topic.finish(&self.store, &skipped, &exceptions, &mut self.findings, &mut explained);
        let mut sinks = Vec::new();
        for sink in self.sinks {
            self.findings.append(sink.findings);
            explained.extend(sink.explained);
            sinks.push(sink.counts);
        }
        let mut store = self.store.counts();
        store.pruned = self.store.pruned.judge(&mut self.topic, &mut self.findings);
        let (topic, republished) = (self.topic.counts(), self.topic.late());
        let counts = Counts { store, topic, sinks };
        let (findings, found) = self.findings.take();
        Report { counts, found, findings, explained, skipped: self.skipped, republished }
    }
}
