//! A rate held for a time.

use super::report::{Aim, Figure, percentiles_ms};
use super::watched::{Watched, WatchedLoad};
use super::{Output, rate_figures};

#[derive(Debug, clap::Args)]
pub(crate) struct ThroughputArgs {
    /// Events a second, ten a transaction
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Seconds for which the rate is held
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Seconds of the same load before
    #[arg(long, default_value_t = 30)]
    warm_up_seconds: u64,
    /// Connections that append
    #[arg(long, default_value_t = 4)]
    writers: u32,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Events of one transaction.
const EVENTS_PER_APPEND: u32 = 10;

pub(super) async fn figures(args: &ThroughputArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let load = WatchedLoad {
        events_per_append: EVENTS_PER_APPEND,
        events_per_s: args.rate,
        seconds: args.seconds,
        warm_up_seconds: args.warm_up_seconds,
        writers: args.writers,
    };
    let Watched { loaded, seen, rss_mib_max } = load.run(stack).await?;

    let none = [Aim::None, Aim::None, Aim::None];
    let mut figures = rate_figures("throughput", &loaded, args.rate);
    for (sink, seen_us) in [("postgres", &seen.postgres_us), ("redis", &seen.redis_us)] {
        figures.extend(percentiles_ms(&format!("throughput.{sink}"), seen_us, none));
        let lag_s = seen_us.max() as f64 / 1e6;
        figures.push(Figure::new(format!("throughput.{sink}.lag.max"), lag_s, "s", Aim::AtMost(1.0)));
    }
    figures.push(Figure::new("throughput.held", args.seconds as f64, "s", Aim::AtLeast(600.0)));
    figures.push(Figure::new("throughput.consumer_rss.max", rss_mib_max, "MiB", Aim::AtMost(96.0)));
    Ok(figures)
}
