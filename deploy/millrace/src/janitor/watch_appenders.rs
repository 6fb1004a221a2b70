//! Whoever appended and does not end its transaction holds every follower back, and is ended.
//!
//! No chore: a chore waits for the one before it, and the bound on how long followers are held back must not. Every janitor
//! watches, also one that stands by; ending a session twice ends it once.

use std::time::{Duration, Instant};

use clap::Args;
use event_store::AppenderWatch;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// How often it looks; followers are held back by this and the bound at most.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Longest time that a transaction which has appended may stay open before its session is ended, in milliseconds
    #[arg(long, env = "MILLRACE_APPENDER_HELD_MS_MAX", default_value_t = 30_000, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    appender_held_ms_max: u64,
}

impl WatchArgs {
    /// Watches until told to stop, with its figures in `registry`.
    pub(super) fn start(
        &self,
        owner: PgPool,
        registry: &prometheus::Registry,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut watch = AppenderWatch::new(owner, Duration::from_millis(self.appender_held_ms_max));
        watch.register(registry)?;
        tokio::spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
                match watch.look(Instant::now()).await {
                    Ok(open) => open.iter().filter(|appender| appender.ended).for_each(|appender| {
                        let (pid, held_ms) = (appender.pid, appender.held.as_millis());
                        tracing::warn!(
                            pid,
                            held_ms,
                            application = appender.application_name,
                            "an appender was ended"
                        );
                    }),
                    Err(error) => tracing::warn!(%error, "open appenders cannot be looked for"),
                }
            }
        });
        Ok(())
    }
}
