//! How fast the store is followed, and how long it takes to compare every view with it: at rest, and while events arrive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use ledger::{RunningReport, RunningVerdict};

use super::backlog::BacklogArgs;
use super::report::{Aim, Figure};
use super::workload::{self, Load};
use super::{Output, WriteSide, rate_figures};
use crate::chain::{Chain, projector};
use crate::stack_defaults::settings;
use crate::verify::{RunningArgs, Stages};

/// Nothing reached a view for so long: it never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Comparisons at rest.
const ROUNDS: usize = 5;

/// Connections that append.
const WRITERS: u32 = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyBenchArgs {
    #[command(flatten)]
    backlog: BacklogArgs,
    /// Events a second that arrive, ten a transaction, while views are compared
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// For so many seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &VerifyBenchArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let stages: Stages = settings(stack)?;
    args.backlog.fill(stack, &Arc::new(stages.chain.topics.reader()?)).await?;
    let _projector = projector(stack, &[], &[])?;
    Chain::connect(stack).await?.drained(0, PATIENCE, |_| {}).await?;

    let comparer = settings::<RunningArgs>(stack)?.connect(&stages).await?;
    let begun = Instant::now();
    comparer.follow_anew().await?;
    let followed = begun.elapsed();
    let mut at_rest = vec![];
    for _ in 0..ROUNDS {
        at_rest.push(proved(comparer.compare().await?)?);
    }
    let RunningReport { events, aggregates, .. } = at_rest[0];
    at_rest.sort_by_key(|report| report.took_ms);

    let side = WriteSide::connect(stack, WRITERS).await?;
    let load = Load {
        tenant: side.tenant.clone(),
        events_per_append: 10,
        events_per_s: args.rate,
        duration: Duration::from_secs(args.seconds),
        writers: WRITERS,
    };
    let loading = tokio::spawn(async move { workload::run(&load, &side.store, &side.codec, None).await });
    let (mut under_load, mut most) = (vec![], 0);
    while !loading.is_finished() {
        let report = proved(comparer.compare().await?)?;
        under_load.push(report.took_ms);
        most = most.max(report.sinks.iter().map(|sink| sink.in_flight).max().unwrap_or_default());
    }
    let loaded = loading.await??;
    under_load.sort_unstable();
    let slowest = under_load.last().copied().unwrap_or_default();
    let seconds = |took_ms: u64| took_ms as f64 / 1_000.0;
    let mut figures = rate_figures("verify", &loaded, args.rate);
    figures.extend([
        Figure::new("verify.events", events as f64, "count", Aim::None),
        Figure::new("verify.aggregates", aggregates as f64, "count", Aim::None),
        Figure::new("verify.followed", events as f64 / followed.as_secs_f64(), "events/s", Aim::None),
        Figure::new("verify.at_rest.median", seconds(at_rest[ROUNDS / 2].took_ms), "s", Aim::AtMost(5.0)),
        Figure::new(
            "verify.under_load.median",
            seconds(under_load[under_load.len() / 2]),
            "s",
            Aim::AtMost(5.0),
        ),
        Figure::new("verify.under_load.slowest", seconds(slowest), "s", Aim::AtMost(5.0)),
        Figure::new("verify.under_load.rows_in_flight", most as f64, "count", Aim::None),
    ]);
    Ok(figures)
}

/// What is slow is measured only where it is right.
fn proved(report: RunningReport) -> anyhow::Result<RunningReport> {
    match report.verdict {
        RunningVerdict::Proved | RunningVerdict::Behind => Ok(report),
        RunningVerdict::Refuted | RunningVerdict::Vacuous => {
            bail!("the views are not the store's:\n{report}")
        }
    }
}
