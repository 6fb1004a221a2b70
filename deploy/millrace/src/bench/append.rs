//! How long an append takes, and how many there can be.

use std::time::Duration;

use super::closed::Closed;
use super::report::{Aim, Figure, percentiles_ms};
use super::workload::{self, Load};
use super::{Output, WriteSide, contention, drain, rate_figures, trigger};

#[derive(Debug, clap::Args)]
pub(crate) struct AppendArgs {
    /// Appends a second in the open loop
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Seconds of the open loop that are measured, after a tenth of that as warm-up
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Connections that append in the open loop
    #[arg(long, default_value_t = 4)]
    writers: u32,
    /// Seconds of each closed loop, the connector stopped: single events, batches of a hundred, many writers on few aggregates
    #[arg(long, default_value_t = 10)]
    closed_seconds: u64,
    /// Connections that append in the closed loops
    #[arg(long, default_value_t = 16)]
    closed_writers: u32,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &AppendArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let side = WriteSide::connect(stack, args.writers).await?;
    let load = |seconds: f64| Load {
        tenant: side.tenant.clone(),
        events_per_append: 1,
        events_per_s: args.rate,
        duration: Duration::from_secs_f64(seconds),
        writers: args.writers,
    };
    workload::run(&load(args.seconds as f64 / 10.0), &side.store, &side.codec, None).await?;
    let loaded = workload::run(&load(args.seconds as f64), &side.store, &side.codec, None).await?;

    let aims = [Aim::None, Aim::AtMost(1.0), Aim::None];
    let mut figures = percentiles_ms("append", &loaded.append_us, aims);
    figures.extend(rate_figures("append", &loaded, args.rate));

    figures.extend(drain::without_connector(stack, closed_loops(args, stack, &side)).await?);
    Ok(figures)
}

/// What the store alone can do: the machine's cores are its own.
async fn closed_loops(args: &AppendArgs, stack: &str, side: &WriteSide) -> anyhow::Result<Vec<Figure>> {
    let many = WriteSide::connect(stack, args.closed_writers).await?;
    let duration = Duration::from_secs(args.closed_seconds);
    let closed = |events_per_append| Closed { writers: args.closed_writers, events_per_append, duration };
    let mut figures = closed(1).figures("append.single", &many, Aim::AtLeast(8_000.0)).await?;
    figures.extend(closed(100).figures("append.batch_100", &many, Aim::AtLeast(80_000.0)).await?);
    figures.extend(contention::figures(&many, duration).await?);
    figures.extend(trigger::figures(stack, side).await?);
    Ok(figures)
}
