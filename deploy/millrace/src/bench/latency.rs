//! From commit to visible.

use std::time::Duration;

use super::probe::Probes;
use super::report::{Aim, Figure, percentiles_ms};
use super::workload::{self, Load};
use super::{Output, WriteSide, rate_figures};
use crate::chain::projector;

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
    let side = WriteSide::connect(stack, args.writers).await?;
    let mut projector = projector(stack, &[])?;
    let load = |seconds| Load {
        tenant: side.tenant.clone(),
        events_per_append: 1,
        events_per_s: args.rate,
        duration: Duration::from_secs(seconds),
        writers: args.writers,
    };
    workload::run(&load(args.warm_up_seconds), &side.store, &side.codec, None).await?;
    projector.check()?;

    let probes = Probes::start(stack, &side.tenant).await?;
    let watch = super::probe::watch_rss(&projector);
    let loaded = workload::run(&load(args.seconds), &side.store, &side.codec, Some(probes.watcher())).await?;
    let rss_mib_max = watch.finish();
    let seen = probes.finish().await?;
    projector.stop().await?;

    let aims = [Aim::AtMost(6.0), Aim::AtMost(15.0), Aim::AtMost(40.0)];
    let mut figures = percentiles_ms("latency.postgres", &seen.postgres_us, aims);
    figures.extend(percentiles_ms("latency.redis", &seen.redis_us, aims));
    figures.extend(rate_figures("latency", &loaded, args.rate));
    figures.push(Figure::new("latency.consumer_rss.max", rss_mib_max, "MiB", Aim::AtMost(40.0)));
    Ok(figures)
}
