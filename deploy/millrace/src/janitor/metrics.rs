//! What a janitor counts.

use std::time::Duration;

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Debug)]
pub(crate) struct Metrics {
    /// 1 in the janitor that works, 0 in those that stand by.
    pub(crate) leader: IntGauge,
    /// How often the lock was found taken.
    pub(crate) standbys: IntCounter,
    /// Days after today that the outbox has a place for; -1: not even today.
    pub(crate) outbox_days_ahead: IntGauge,
    last_success: GaugeVec,
    seconds: GaugeVec,
    failures: IntCounterVec,
}

const NAMED: &str = "names and labels are constants that Prometheus takes";

impl Metrics {
    pub(crate) fn new() -> Self {
        let opts = |name: &str, help: &str| Opts::new(format!("millrace_janitor_{name}"), help);
        let gauge = |name, help| IntGauge::with_opts(opts(name, help)).expect(NAMED);
        let by_chore = |name, help| GaugeVec::new(opts(name, help), &["chore"]).expect(NAMED);
        Self {
            leader: gauge("leader", "1 in the janitor that works"),
            standbys: IntCounter::with_opts(opts("standbys_total", "Times the lock was found taken"))
                .expect(NAMED),
            outbox_days_ahead: gauge("outbox_days_ahead", "Days after today that the outbox has a place for"),
            last_success: by_chore("chore_last_success_timestamp_seconds", "When the chore last went well"),
            seconds: by_chore("chore_seconds", "How long the chore last took"),
            failures: IntCounterVec::new(opts("chore_failures_total", "Runs that failed"), &["chore"])
                .expect(NAMED),
        }
    }

    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.leader.clone()))?;
        registry.register(Box::new(self.standbys.clone()))?;
        registry.register(Box::new(self.outbox_days_ahead.clone()))?;
        registry.register(Box::new(self.last_success.clone()))?;
        registry.register(Box::new(self.seconds.clone()))?;
        registry.register(Box::new(self.failures.clone()))
    }

    pub(crate) fn done(&self, chore: &str, took: Duration, went_well: bool) {
        self.seconds.with_label_values(&[chore]).set(took.as_secs_f64());
        if went_well {
            let now = chrono::Utc::now().timestamp_micros() as f64 / 1e6;
            self.last_success.with_label_values(&[chore]).set(now);
        } else {
            self.failures.with_label_values(&[chore]).inc();
        }
    }
}
