//! What snapshots save, and what goes wrong with them.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Why a snapshot that was there did not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Of another shape.
    Shape,
    /// Changed, or no state.
    Corrupt,
}

/// The figures of the snapshots of one kind of aggregate. They count whether or not they are registered anywhere.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// States that were in memory.
    pub hits: IntCounter,
    /// States that were not.
    pub misses: IntCounter,
    /// Snapshots that saved folding what came before them.
    pub used: IntCounter,
    /// Snapshots that did not count, by reason.
    ignored: IntCounterVec,
    /// Snapshots written.
    pub written: IntCounter,
    /// Snapshots that could not be written; the next one that is due is tried again.
    pub failed: IntCounter,
    /// Snapshots that were due while too many were being written.
    pub skipped: IntCounter,
}

impl Metrics {
    /// The figures of this kind of aggregate, all zero.
    pub fn new(aggregate_type: &str) -> Self {
        let opts = |name: &str, help: &str| {
            Opts::new(format!("millrace_snapshot_{name}_total"), help)
                .const_label("aggregate_type", aggregate_type)
        };
        let counter =
            |name, help| IntCounter::with_opts(opts(name, help)).expect("names and labels are valid");
        let ignored = opts("ignored", "Snapshots that were there and did not count");
        Self {
            hits: counter("cache_hits", "States that were in memory"),
            misses: counter("cache_misses", "States that were not in memory"),
            used: counter("used", "Snapshots that saved folding a history"),
            ignored: IntCounterVec::new(ignored, &["reason"]).expect("names and labels are valid"),
            written: counter("written", "Snapshots written"),
            failed: counter("failed", "Snapshots that could not be written"),
            skipped: counter("skipped", "Snapshots skipped because too many were being written"),
        }
    }

    /// Publishes them.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        for counter in [&self.hits, &self.misses, &self.used, &self.written, &self.failed, &self.skipped] {
            registry.register(Box::new(counter.clone()))?;
        }
        registry.register(Box::new(self.ignored.clone()))
    }

    /// Snapshots that were ignored for this reason.
    pub fn ignored(&self, why: Ignored) -> IntCounter {
        let reason = match why {
            Ignored::Shape => "shape",
            Ignored::Corrupt => "corrupt",
        };
        self.ignored.with_label_values(&[reason])
    }
}
