//! `millrace run ledger`: every sink compared with the store all the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use ledger::{RunningReport, RunningVerdict};
use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};
use tokio_util::sync::CancellationToken;

use super::running::Comparer;
use super::{RunningArgs, Stages};
use crate::exit::Exit;
use crate::run::HealthArgs;

/// How long the ledger may be unable to compare before it says that it is not ready.
const BLIND_MAX: u32 = 3;

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    health: HealthArgs,

    #[command(flatten)]
    stages: Stages,

    #[command(flatten)]
    running: RunningArgs,

    /// Between two comparisons, in seconds
    #[arg(long, env = "MILLRACE_LEDGER_EVERY_S", default_value_t = 30, value_name = "S",
          value_parser = clap::value_parser!(u64).range(1..))]
    ledger_every_s: u64,
}

impl LedgerArgs {
    /// Compares until told to stop. What cannot be reached is tried again; what is found is told, and nothing is changed.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let (metrics, registry) = (Metrics::new(), Registry::new());
        metrics.register(&registry)?;
        let every = Duration::from_secs(self.ledger_every_s);
        let compared_at = Arc::new(Mutex::new(None::<Instant>));
        let seen = Arc::clone(&compared_at);
        let ready = move || match *seen.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(at) if at.elapsed() < every * (BLIND_MAX + 1) => Ok(()),
            Some(at) => Err(format!("nothing was compared for {} s", at.elapsed().as_secs())),
            None => Err("nothing was compared yet".to_owned()),
        };
        self.health.serve_when(Arc::new(ready), registry, &stop).await?;
        let mut comparer = None;
        while !stop.is_cancelled() {
            match self.compare(&mut comparer).await {
                Ok(report) => {
                    *compared_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                    metrics.show(&report);
                    tell(&report);
                }
                Err(error) => {
                    comparer = None;
                    metrics.failures.inc();
                    tracing::warn!("cannot compare: {error:#}");
                }
            }
            stop.run_until_cancelled(tokio::time::sleep(every)).await;
        }
        Ok(Exit::Ok)
    }

    async fn compare(&self, connected: &mut Option<Comparer>) -> anyhow::Result<RunningReport> {
        let comparer = match connected.take() {
            Some(comparer) => comparer,
            None => self.running.connect(&self.stages).await?,
        };
        connected.insert(comparer).compare().await
    }
}

fn tell(report: &RunningReport) {
    let RunningReport { events, position, took_ms, .. } = report;
    match report.verdict {
        RunningVerdict::Proved => tracing::info!(events, position, took_ms, "proved"),
        RunningVerdict::Vacuous => tracing::info!(events, position, took_ms, "there is nothing to compare"),
        RunningVerdict::Behind => tracing::warn!(events, position, took_ms, "a sink is behind"),
        RunningVerdict::Refuted => {
            for finding in &report.findings {
                tracing::error!(events, position, "{finding}");
            }
        }
    }
}

/// What the ledger shows.
#[derive(Debug)]
struct Metrics {
    position: IntGauge,
    findings: IntGauge,
    proved_at: Gauge,
    seconds: Gauge,
    failures: IntCounter,
    rows: IntGaugeVec,
    folded: IntGaugeVec,
    places: IntGaugeVec,
    totals: IntGaugeVec,
    in_flight: IntGaugeVec,
    late: IntGaugeVec,
    parked: IntGaugeVec,
}

const NAMED: &str = "names and labels are constants that Prometheus takes";

impl Metrics {
    fn new() -> Self {
        let opts = |name: &str, help: &str| Opts::new(format!("millrace_ledger_{name}"), help);
        let int = |name, help| IntGauge::with_opts(opts(name, help)).expect(NAMED);
        let float = |name, help| Gauge::with_opts(opts(name, help)).expect(NAMED);
        let of_each = |name, help| IntGaugeVec::new(opts(name, help), &["projection"]).expect(NAMED);
        let failures = opts("failures_total", "Comparisons that could not be made");
        Self {
            position: int("position", "The store was followed up to here"),
            findings: int("findings", "Differences that the last comparison found"),
            proved_at: float("proved_timestamp_seconds", "When a comparison last proved everything"),
            seconds: float("seconds", "How long the last comparison took"),
            failures: IntCounter::with_opts(failures).expect(NAMED),
            rows: of_each("rows", "Rows that were compared"),
            folded: of_each("folded_rows", "Rows that were compared with a fold of their events, too"),
            places: of_each("places", "Places on leaderboards that were compared with their rows"),
            totals: of_each("totals", "Totals that were compared with the sum over all rows"),
            in_flight: of_each("in_flight_rows", "Rows whose next event is on its way"),
            late: of_each("late_rows", "Rows whose next event is on its way for longer than it should be"),
            parked: of_each("parked_rows", "Rows whose next event is parked"),
        }
    }

    fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.position.clone()))?;
        registry.register(Box::new(self.findings.clone()))?;
        registry.register(Box::new(self.proved_at.clone()))?;
        registry.register(Box::new(self.seconds.clone()))?;
        registry.register(Box::new(self.failures.clone()))?;
        let of_each =
            [&self.rows, &self.folded, &self.places, &self.totals, &self.in_flight, &self.late, &self.parked];
        of_each.into_iter().try_for_each(|gauge| registry.register(Box::new(gauge.clone())))
    }

    fn show(&self, report: &RunningReport) {
        let int = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.position.set(int(report.position));
        self.findings.set(int(report.found as u64));
        self.seconds.set(report.took_ms as f64 / 1_000.0);
        if report.verdict == RunningVerdict::Proved {
            self.proved_at.set(chrono::Utc::now().timestamp_millis() as f64 / 1_000.0);
        }
        for sink in &report.sinks {
            let of =
                |gauge: &IntGaugeVec, number| gauge.with_label_values(&[sink.projection]).set(int(number));
            of(&self.rows, sink.rows);
            of(&self.folded, sink.folded);
            of(&self.places, sink.places);
            of(&self.totals, sink.totals);
            of(&self.in_flight, sink.in_flight);
            of(&self.late, sink.late);
            of(&self.parked, sink.parked);
        }
    }
}
