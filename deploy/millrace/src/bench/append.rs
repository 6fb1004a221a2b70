//! How long an append takes.

use std::time::Duration;

use super::report::{Aim, Figure, percentiles_ms};
use super::workload::{self, Load};
use super::{Output, WriteSide, rate_figures};

#[derive(Debug, clap::Args)]
pub(crate) struct AppendArgs {
    /// Appends a second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Seconds that are measured, after a tenth of that as warm-up
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Connections that append
    #[arg(long, default_value_t = 4)]
    writers: u32,
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
    Ok(figures)
}
