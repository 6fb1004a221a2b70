//! What a subscription counts.

use event_store::Slice;
use prometheus::{IntCounter, IntGauge, Opts, Registry};

/// The figures of one subscription. They count whether or not they are registered anywhere.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Events delivered.
    pub events: IntCounter,
    /// Up to where it has read.
    pub position: IntGauge,
    /// Positions between that and where the log had settled.
    pub behind: IntGauge,
    /// Times that it was told of an append.
    pub told: IntCounter,
    /// Times that it looked by itself, told of nothing.
    pub waited: IntCounter,
    /// Reads that were tried again.
    pub retries: IntCounter,
}

impl Metrics {
    /// The figures of this subscription, all zero.
    pub fn new(subscription: &str) -> Self {
        let opts = |name: &str, help: &str| {
            Opts::new(format!("millrace_subscription_{name}"), help).const_label("subscription", subscription)
        };
        let counter =
            |name, help| IntCounter::with_opts(opts(name, help)).expect("names and labels are valid");
        let gauge = |name, help| IntGauge::with_opts(opts(name, help)).expect("names and labels are valid");
        Self {
            events: counter("events_total", "Events delivered"),
            position: gauge("position", "Position up to which the log was read"),
            behind: gauge("behind", "Positions between that and where the log had settled"),
            told: counter("told_total", "Times that the subscription was told of an append"),
            waited: counter("waited_total", "Times that the subscription looked by itself"),
            retries: counter("retries_total", "Reads that were tried again"),
        }
    }

    /// Publishes them.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        for counter in [&self.events, &self.told, &self.waited, &self.retries] {
            registry.register(Box::new(counter.clone()))?;
        }
        registry.register(Box::new(self.position.clone()))?;
        registry.register(Box::new(self.behind.clone()))
    }

    pub(crate) fn seen(&self, slice: &Slice) {
        self.events.inc_by(slice.events.len() as u64);
        self.position.set(i64::try_from(slice.through).unwrap_or(i64::MAX));
        let behind = slice.settled.saturating_sub(slice.through);
        self.behind.set(i64::try_from(behind).unwrap_or(i64::MAX));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new("unnamed")
    }
}
