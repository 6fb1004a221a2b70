//! A rate held for a time.

use std::time::Duration;

use super::probe::{Probes, watch_rss};
use super::report::{Aim, Figure, percentiles_ms};
use super::workload::{self, Load};
use super::{Output, WriteSide, rate_figures};
use crate::chain::projector;

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
    let side = WriteSide::connect(stack, args.writers).await?;
    let mut projector = projector(stack, &[])?;
    let load = |seconds| Load {
        tenant: side.tenant.clone(),
        events_per_append: EVENTS_PER_APPEND,
        events_per_s: args.rate,
        duration: Duration::from_secs(seconds),
        writers: args.writers,
    };
    workload::run(&load(args.warm_up_seconds), &side.store, &side.codec, None).await?;
    projector.check()?;

    let probes = Probes::start(stack, &side.tenant).await?;
    let watch = watch_rss(&projector);
    let loaded = workload::run(&load(args.seconds), &side.store, &side.codec, Some(probes.watcher())).await?;
    let rss_mib_max = watch.finish();
    let seen = probes.finish().await?;
    projector.stop().await?;

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
