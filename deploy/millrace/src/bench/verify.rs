//! How fast the store is followed, and how long it takes to compare every view with it: at rest, and while events arrive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use ledger::{RunningReport, RunningVerdict};

use super::Output;
use super::backlog::{BacklogArgs, pile_up};
use super::report::{Aim, Figure};
use crate::chain::{Chain, projector};
use crate::stack_defaults::settings;
use crate::verify::{RunningArgs, Stages};

/// Nothing reached a view for so long: it never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// Comparisons at rest.
const ROUNDS: usize = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyBenchArgs {
    #[command(flatten)]
    backlog: BacklogArgs,
    /// Events that arrive, as fast as they can, while views are compared
    #[arg(long, default_value_t = 200_000)]
    arriving: u64,
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

    let (name, arriving) = (stack.to_owned(), args.arriving);
    let arrival = tokio::spawn(async move { pile_up(&name, arriving).await });
    let (mut slowest, mut most) = (Duration::ZERO, 0);
    while !arrival.is_finished() {
        let report = proved(comparer.compare().await?)?;
        slowest = slowest.max(Duration::from_millis(report.took_ms));
        most = most.max(report.sinks.iter().map(|sink| sink.in_flight).max().unwrap_or_default());
    }
    arrival.await??;
    let seconds = |took_ms: u64| took_ms as f64 / 1_000.0;
    Ok(vec![
        Figure::new("verify.events", events as f64, "count", Aim::None),
        Figure::new("verify.aggregates", aggregates as f64, "count", Aim::None),
        Figure::new("verify.followed", events as f64 / followed.as_secs_f64(), "events/s", Aim::None),
        Figure::new("verify.at_rest.median", seconds(at_rest[ROUNDS / 2].took_ms), "s", Aim::AtMost(5.0)),
        Figure::new("verify.under_load.slowest", slowest.as_secs_f64(), "s", Aim::AtMost(5.0)),
        Figure::new("verify.under_load.rows_in_flight", most as f64, "count", Aim::None),
    ])
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
