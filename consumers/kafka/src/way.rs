//! When an event was where, on its way from the event store to whoever reads a view.

use std::time::{SystemTime, UNIX_EPOCH};

use events::Timestamp;
use prometheus::{HistogramOpts, HistogramVec, Registry};

use crate::record::Record;

/// The clock of this machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// One event's way up to here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// When the event store wrote it, in the transaction that committed it.
    pub(crate) recorded_at: Timestamp,
    /// When it was put into the topic.
    pub(crate) topic_at: Timestamp,
    /// When it came out of it.
    pub(crate) fetched_at: Timestamp,
}

impl Way {
    /// Of a record without a time nothing is known of how long it took to the topic.
    pub(crate) fn of(record: &Record, recorded_at: Timestamp, fetched_at: Timestamp) -> Self {
        let topic_at = record.timestamp_ms.map(|ms| Timestamp::from_micros(ms.saturating_mul(1_000)));
        Self { recorded_at, topic_at: topic_at.unwrap_or(recorded_at), fetched_at }
    }
}

/// How long events take from one place to the next.
#[derive(Debug, Clone)]
pub struct Hops(HistogramVec);

impl Hops {
    pub(crate) fn new(opts: HistogramOpts) -> Result<Self, prometheus::Error> {
        HistogramVec::new(opts, &["hop"]).map(Self)
    }

    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.0.clone()))
    }

    /// An event's row was worked out, and was there to be read. Clocks that differ make no time negative.
    pub(crate) fn arrived(&self, way: &Way, applied_at: Timestamp, visible_at: Timestamp) {
        let Way { recorded_at, topic_at, fetched_at } = *way;
        for (hop, from, to) in [
            ("commit-topic", recorded_at, topic_at),
            ("topic-fetched", topic_at, fetched_at),
            ("fetched-applied", fetched_at, applied_at),
            ("applied-visible", applied_at, visible_at),
            ("commit-visible", recorded_at, visible_at),
        ] {
            let micros = to.micros().saturating_sub(from.micros()).max(0);
            self.0.with_label_values(&[hop]).observe(micros as f64 / 1e6);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hop_counts_its_own_time_and_none_is_negative() {
        let hops = Hops::new(HistogramOpts::new("hop_seconds", "help")).unwrap();
        let at = Timestamp::from_micros;
        // The broker's clock is a second behind.
        let way = Way { recorded_at: at(5_000_000), topic_at: at(4_500_000), fetched_at: at(6_000_000) };
        hops.arrived(&way, at(6_250_000), at(7_000_000));
        let sum = |hop| hops.0.with_label_values(&[hop]).get_sample_sum();
        let sums = ["commit-topic", "topic-fetched", "fetched-applied", "applied-visible", "commit-visible"]
            .map(sum);
        assert_eq!(sums, [0.0, 1.5, 0.25, 0.75, 2.0]);
    }
}
