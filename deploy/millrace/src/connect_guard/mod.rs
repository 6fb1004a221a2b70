//! `millrace run connect-guard`: somebody who looks at the connector's tasks and its slot all the time.
//!
//! Connect reports a failed task and leaves it failed; a worker whose tasks are dead calls itself healthy. The guard looks
//! every second at what the tasks do and at the slot that they read, starts failed tasks and idle ones anew within a budget, and stops
//! the connector when its slot has lost events. What follows from what is in `decide`, and has no clock and no network. One
//! guard is enough; two do each other no harm, unless both are to repair.

mod decide;
mod guard;
mod mend;
mod metrics;
mod observe;
mod verdict;

use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

use self::decide::{Memory, Policy};
use self::guard::Guard;
use self::mend::Mender;
use self::metrics::Metrics;
use self::observe::Eyes;
use self::verdict::Verdict;
use crate::chain::TopicsReadArgs;
use crate::connector::{ConnectArgs, heartbeat_s_max};
use crate::exit::Exit;
use crate::reconcile::StoreToTopic;
use crate::run::HealthArgs;

const RUNBOOK: &str = "deploy/runbooks/connect.md";

#[derive(Debug, Args)]
pub(crate) struct GuardArgs {
    #[command(flatten)]
    health: HealthArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    /// The events' database as the role `owner`; used by `--repair` alone
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,

    #[command(flatten)]
    store: event_store::AuditConfig,

    #[command(flatten)]
    topics: TopicsReadArgs,

    /// Between two looks, in milliseconds
    #[arg(long, env = "MILLRACE_GUARD_LOOK_MS", default_value_t = 1_000, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(100..))]
    guard_look_ms: u64,

    /// Restarts of tasks in a row before a person has to look; it is refilled by ten minutes without a failure
    #[arg(long, env = "MILLRACE_GUARD_RESTARTS_MAX", default_value_t = 10, value_name = "N")]
    guard_restarts_max: u32,

    /// Between the first two restarts, in milliseconds; doubled for each further one, up to five minutes
    #[arg(long, env = "MILLRACE_GUARD_RESTART_DELAY_MS", default_value_t = 5_000, value_name = "MS")]
    guard_restart_delay_ms: u64,

    /// How long the slot may go unread, or not move, while the connector says that it runs, in seconds; then its tasks are
    /// restarted
    #[arg(long, env = "MILLRACE_GUARD_IDLE_S", default_value_t = 60, value_name = "S")]
    guard_idle_s: u64,

    /// Log kept for the slot from which an alarm is raised, in bytes: well below `max_slot_wal_keep_size`, which costs the slot
    #[arg(long, env = "MILLRACE_GUARD_RETAINED_BYTES_MAX", default_value_t = 1 << 30, value_name = "BYTES")]
    guard_retained_bytes_max: u64,

    /// Between two counts of what the topics lack after a loss, in seconds; each reads every topic
    #[arg(long, env = "MILLRACE_GUARD_COUNT_S", default_value_t = 60, value_name = "S")]
    guard_count_s: u64,

    /// After a loss, make the slot anew, go on and publish again what the topics lack, without being asked
    #[arg(long, env = "MILLRACE_GUARD_REPAIR")]
    repair: bool,
}

impl GuardArgs {
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let connector = self.connect.connector().await?;
        let (metrics, registry) = (Metrics::new(), prometheus::Registry::new());
        metrics.register(&registry)?;
        let verdict = Verdict::default();
        self.health.serve_when(verdict.asked(), registry, &stop).await?;
        let client = self.connect.client()?;
        let policy = self.policy(heartbeat_s_max(&connector));
        let comparison = StoreToTopic {
            store: self.store,
            topics: self.topics,
            events_owner_url: self.events_owner_url,
            wait_max: self.connect.worker.wait_max(),
            with_skipped: false,
            repair: None,
        };
        let cdc_url = self.connect.events_cdc_url.clone();
        let eyes = Eyes { client: client.clone(), connector, cdc_url, session: None, row: None };
        let mender = Mender { connect: self.connect, comparison };
        let memory = Memory::default();
        let guard =
            Guard { eyes, client, mender, policy, metrics, memory, job: None, counted: None, verdict };
        guard.run(Duration::from_millis(self.guard_look_ms), stop).await;
        Ok(Exit::Ok)
    }

    fn policy(&self, heartbeat_s_max: f64) -> Policy {
        Policy {
            restarts_max: self.guard_restarts_max,
            restart_delay: Duration::from_millis(self.guard_restart_delay_ms),
            restart_delay_max: Duration::from_secs(300),
            calm: Duration::from_secs(600),
            heartbeat_s_max,
            retained_bytes_max: self.guard_retained_bytes_max,
            idle_max: Duration::from_secs(self.guard_idle_s),
            count_every: Duration::from_secs(self.guard_count_s),
            repair: self.repair,
        }
    }
}
