//! What a janitor does.

use std::time::Duration;

use futures::future::BoxFuture;
use outbox::{Outbox, Retention};
use sqlx::PgPool;

/// Something that has to be done again and again. It may be cut short anywhere, and done twice, without harm.
pub(crate) trait Chore: Send + Sync {
    /// Its name in metrics and logs.
    fn name(&self) -> &'static str;
    /// How often.
    fn every(&self) -> Duration;
    /// Does it once; says what was done.
    fn run(&self) -> BoxFuture<'_, anyhow::Result<String>>;
}

/// Makes the coming days of the outbox and drops those gone by.
pub(crate) struct RollOutbox {
    pub(crate) outbox: Outbox,
    pub(crate) retention: Retention,
}

impl Chore for RollOutbox {
    fn name(&self) -> &'static str {
        "roll-outbox"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn run(&self) -> BoxFuture<'_, anyhow::Result<String>> {
        Box::pin(async {
            let rolled = self.outbox.roll(self.retention).await?;
            Ok(format!("{} days made, {} dropped", rolled.created.len(), rolled.dropped.len()))
        })
    }
}

/// Forgets the answers to commands of long ago.
pub(crate) struct ExpireKeys {
    pub(crate) owner: PgPool,
    pub(crate) kept: Duration,
}

impl Chore for ExpireKeys {
    fn name(&self) -> &'static str {
        "expire-idempotency-keys"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn run(&self) -> BoxFuture<'_, anyhow::Result<String>> {
        Box::pin(async {
            let forgotten = event_store::expire_commands(&self.owner, self.kept).await?;
            Ok(format!("{forgotten} keys forgotten"))
        })
    }
}
