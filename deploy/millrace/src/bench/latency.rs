//! From commit to visible.

use super::report::{Aim, Figure, percentiles_ms};
use super::watched::{Watched, WatchedLoad};
use super::{Output, rate_figures};

#[derive(Debug, clap::Args)]
pub(crate) struct LatencyArgs {
    /// Events a second, one a transaction
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Seconds that are measured
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds of the same load before; a Java virtual machine is slow in its first half minute
    #[arg(long, default_value_t = 45)]
    warm_up_seconds: u64,
    /// Connections that append
    #[arg(long, default_value_t = 4)]
    writers: u32,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &LatencyArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let load = WatchedLoad {
        events_per_append: 1,
        events_per_s: args.rate,
        seconds: args.seconds,
        warm_up_seconds: args.warm_up_seconds,
        writers: args.writers,
    };
    let Watched { loaded, seen, rss_mib_max } = load.run(stack).await?;

    let aims = [Aim::AtMost(6.0), Aim::AtMost(15.0), Aim::AtMost(40.0)];
    let mut figures = percentiles_ms("latency.postgres", &seen.postgres_us, aims);
    figures.extend(percentiles_ms("latency.redis", &seen.redis_us, aims));
    figures.extend(rate_figures("latency", &loaded, args.rate));
    figures.push(Figure::new("latency.consumer_rss.max", rss_mib_max, "MiB", Aim::AtMost(40.0)));
    Ok(figures)
}
