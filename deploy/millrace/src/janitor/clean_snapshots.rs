//! Old snapshots go.

use std::time::Duration;

use event_store::SnapshotKeeper;
use futures::future::BoxFuture;

use super::chore::Chore;

/// Deletes all but the newest snapshots of each aggregate, whatever their shape.
pub(super) struct CleanSnapshots {
    pub(super) keeper: SnapshotKeeper,
    pub(super) kept: u16,
}

impl Chore for CleanSnapshots {
    fn name(&self) -> &'static str {
        "clean-snapshots"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, anyhow::Result<String>> {
        Box::pin(async { Ok(format!("{} snapshots deleted", self.keeper.clean(self.kept).await?)) })
    }
}
