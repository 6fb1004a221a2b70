//! What a projector counts.

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::way::Hops;

/// The figures of one projector. They count whether or not they are registered anywhere.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Events that took effect.
    pub applied: IntCounter,
    /// Events whose version took effect before.
    pub stale: IntCounter,
    /// Records parked, by reason.
    pub parked: IntCounterVec,
    /// Events parked because versions before them are missing.
    pub gaps: IntCounter,
    /// Parked records that were applied or discarded.
    pub released: IntCounter,
    /// Flushes that the sink took.
    pub flushes: IntCounter,
    /// Records per flush.
    pub flush_records: Histogram,
    /// Seconds per flush, reading and folding included.
    pub flush_seconds: Histogram,
    /// Seconds from place to place on an event's way, of the newest event of each partition in a flush.
    pub hops: Hops,
    /// Partitions of which the sink said that they are not ours.
    pub fence_rejections: IntCounter,
    /// Errors of the sink or the registry after which the projector went on.
    pub transient_faults: IntCounter,
    /// 1 while the circuit to a server behind is open: `sink`, `schema registry`.
    pub circuit_open: IntGaugeVec,
    /// Kafka clients that had to be replaced.
    pub clients_rebuilt: IntCounter,
    /// Assignments and revocations.
    pub rebalances: IntCounter,
    /// Times that reading paused because the sink could not keep up.
    pub pauses: IntCounter,
    /// Records that the sink has not applied, by partition.
    pub lag: IntGaugeVec,
    /// Age of the newest applied event while there is lag, in seconds; 0 without lag.
    pub lag_seconds: Gauge,
    /// Parked keys, by partition.
    pub parked_keys: IntGaugeVec,
    /// 1 while a partition is stopped because of what it cannot apply, by partition.
    pub stopped: IntGaugeVec,
    /// Partitions that are ours.
    pub partitions: IntGauge,
}

impl Metrics {
    /// The figures of this projection, all zero.
    pub fn new(projection: &str) -> Self {
        let opts = |name: &str, help: &str| {
            Opts::new(format!("millrace_projector_{name}"), help).const_label("projection", projection)
        };
        let counter = |name, help| IntCounter::with_opts(opts(name, help)).expect(NAMED);
        let by_partition = |name, help| IntGaugeVec::new(opts(name, help), &["partition"]).expect(NAMED);
        let buckets =
            |name, help, buckets: &[f64]| HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        let histogram = |name, help, bounds| Histogram::with_opts(buckets(name, help, bounds)).expect(NAMED);
        let seconds = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 60.0];
        let records = &[1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0];
        Self {
            applied: counter("events_applied_total", "Events that took effect"),
            stale: counter("events_stale_total", "Events whose version took effect before"),
            parked: IntCounterVec::new(opts("records_parked_total", "Records parked"), &["reason"])
                .expect(NAMED),
            gaps: counter("gaps_total", "Events parked because versions before them are missing"),
            released: counter("records_released_total", "Parked records that were applied or discarded"),
            flushes: counter("flushes_total", "Flushes that the sink took"),
            flush_records: histogram("flush_records", "Records per flush", records),
            flush_seconds: histogram("flush_seconds", "Seconds per flush", seconds),
            hops: Hops::new(buckets("hop_seconds", "Seconds from place to place on an event's way", seconds))
                .expect(NAMED),
            fence_rejections: counter(
                "fence_rejections_total",
                "Partitions lost to another owner at a flush",
            ),
            transient_faults: counter("transient_faults_total", "Errors that were waited for"),
            circuit_open: IntGaugeVec::new(
                opts(
                    "circuit_open",
                    "1 while a server behind is left alone since it did not answer as it should",
                ),
                &["behind"],
            )
            .expect(NAMED),
            clients_rebuilt: counter("clients_rebuilt_total", "Kafka clients that were replaced"),
            pauses: counter("pauses_total", "Times that reading paused for the sink"),
            rebalances: counter("rebalances_total", "Assignments and revocations"),
            lag: by_partition("lag_records", "Records that the sink has not applied"),
            lag_seconds: Gauge::with_opts(opts(
                "lag_seconds",
                "Age of the newest applied event while there is lag",
            ))
            .expect(NAMED),
            parked_keys: by_partition("parked_keys", "Parked keys"),
            stopped: by_partition("partition_stopped", "1 while a partition is stopped"),
            partitions: IntGauge::with_opts(opts("partitions", "Partitions that are ours")).expect(NAMED),
        }
    }

    /// Shows them in a registry. Twice the same projection in one registry is an error.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        for counter in [
            &self.applied,
            &self.stale,
            &self.gaps,
            &self.released,
            &self.flushes,
            &self.fence_rejections,
            &self.transient_faults,
            &self.clients_rebuilt,
            &self.rebalances,
            &self.pauses,
        ] {
            registry.register(Box::new(counter.clone()))?;
        }
        for gauge in [&self.lag, &self.parked_keys, &self.stopped, &self.circuit_open] {
            registry.register(Box::new(gauge.clone()))?;
        }
        registry.register(Box::new(self.parked.clone()))?;
        registry.register(Box::new(self.flush_records.clone()))?;
        registry.register(Box::new(self.flush_seconds.clone()))?;
        self.hops.register(registry)?;
        registry.register(Box::new(self.lag_seconds.clone()))?;
        registry.register(Box::new(self.partitions.clone()))
    }
}

const NAMED: &str = "the names above are valid";
