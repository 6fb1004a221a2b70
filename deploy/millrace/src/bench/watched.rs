//! A load on the whole chain, watched from commit to view.

use std::time::Duration;

use super::probe::{Probes, Seen};
use super::workload::{self, Load, Loaded};
use super::{WriteSide, memory};
use crate::chain::projector;

/// A load, and the same before it that nobody watches.
#[derive(Debug)]
pub(super) struct WatchedLoad {
    pub(super) events_per_append: u32,
    pub(super) events_per_s: u32,
    pub(super) seconds: u64,
    pub(super) warm_up_seconds: u64,
    pub(super) writers: u32,
}

/// What was seen of it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) loaded: Loaded,
    pub(super) seen: Seen,
    /// The most memory that the projector kept.
    pub(super) rss_mib_max: f64,
}

impl WatchedLoad {
    /// Runs it with a projector of its own.
    pub(super) async fn run(&self, stack: &str) -> anyhow::Result<Watched> {
        let side = WriteSide::connect(stack, self.writers).await?;
        let mut projector = projector(stack, &[], &[])?;
        let load = |seconds| Load {
            tenant: side.tenant.clone(),
            events_per_append: self.events_per_append,
            events_per_s: self.events_per_s,
            duration: Duration::from_secs(seconds),
            writers: self.writers,
        };
        workload::run(&load(self.warm_up_seconds), &side.store, &side.codec, None).await?;
        projector.check()?;

        let probes = Probes::start(stack, &side.tenant).await?;
        let watcher = Some(probes.watcher());
        let loaded = workload::run(&load(self.seconds), &side.store, &side.codec, watcher).await?;
        let rss_mib_max = memory::peak_of(&projector)?;
        let seen = probes.finish().await?;
        projector.stop().await?;
        Ok(Watched { loaded, seen, rss_mib_max })
    }
}
