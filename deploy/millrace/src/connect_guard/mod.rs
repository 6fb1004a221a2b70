//! `millrace run connect-guard`: somebody who looks at the connector's tasks and its slot all the time.
//!
//! Connect reports a failed task and leaves it failed; a worker whose tasks are dead calls itself healthy. The guard looks
//! every second at what the tasks do and at the slot that they read, starts failed tasks anew within a budget, and stops the
//! connector when its slot has lost events. What follows from what is in `decide`, and has no clock and no network. One
//! guard is enough; two do each other no harm, unless both are to repair.

mod decide;
mod mend;
mod metrics;
mod observe;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;
use connect::Client;
use futures::future::{LocalBoxFuture, pending};
use tokio_util::sync::CancellationToken;

use self::decide::{Action, Alarm, Busy, Counted, Memory, Observation, Policy, decide};
use self::mend::Mender;
use self::metrics::Metrics;
use self::observe::Eyes;
use crate::chain::TopicsReadArgs;
use crate::connector::{ConnectArgs, heartbeat_s_max};
use crate::exit::Exit;
use crate::reconcile::StoreToTopic;
use crate::run::HealthArgs;

const RUNBOOK: &str = "deploy/runbooks/connect.md";
const DRY_RUN: &str = "millrace reconcile store-to-topic --dry-run --wait-s-max 0";

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

    /// Restarts of failed tasks in a row before a person has to look; it is refilled by ten minutes without a failure
    #[arg(long, env = "MILLRACE_GUARD_RESTARTS_MAX", default_value_t = 10, value_name = "N")]
    guard_restarts_max: u32,

    /// Between the first two restarts, in milliseconds; doubled for each further one, up to five minutes
    #[arg(long, env = "MILLRACE_GUARD_RESTART_DELAY_MS", default_value_t = 5_000, value_name = "MS")]
    guard_restart_delay_ms: u64,

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

/// Why the guard, or what it guards, is not ready; and when that was found out.
#[derive(Debug)]
struct Verdict {
    at: Instant,
    not_ready: Option<String>,
}

/// Older than this, a look tells nothing: the guard itself hangs.
const LOOK_AGE_MAX: Duration = Duration::from_secs(15);

struct Guard {
    eyes: Eyes,
    client: Client,
    mender: Mender,
    policy: Policy,
    metrics: Metrics,
    memory: Memory,
    job: Option<(Busy, LocalBoxFuture<'static, anyhow::Result<Counted>>)>,
    /// What the last job found, until the next look takes it in.
    counted: Option<Counted>,
    verdict: Arc<Mutex<Verdict>>,
}

impl GuardArgs {
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let connector = self.connect.connector().await?;
        let (metrics, registry) = (Metrics::new(), prometheus::Registry::new());
        metrics.register(&registry)?;
        let verdict = Verdict { at: Instant::now(), not_ready: Some("it has not looked yet".to_owned()) };
        let verdict = Arc::new(Mutex::new(verdict));
        let asked = verdict.clone();
        self.health.serve_when(Arc::new(move || readiness(&asked)), registry, &stop).await?;
        let client = self.connect.client()?;
        let policy = Policy {
            restarts_max: self.guard_restarts_max,
            restart_delay: Duration::from_millis(self.guard_restart_delay_ms),
            restart_delay_max: Duration::from_secs(300),
            calm: Duration::from_secs(600),
            heartbeat_s_max: heartbeat_s_max(&connector),
            retained_bytes_max: self.guard_retained_bytes_max,
            idle_max: Duration::from_secs(60),
            count_every: Duration::from_secs(self.guard_count_s),
            repair: self.repair,
        };
        let comparison = StoreToTopic {
            store: self.store,
            topics: self.topics,
            events_owner_url: self.events_owner_url,
            wait_max: self.connect.worker.wait_max(),
            with_skipped: false,
            repair: None,
        };
        let cdc_url = self.connect.events_cdc_url.clone();
        let eyes = Eyes { client: client.clone(), connector, cdc_url, session: None };
        let mender = Mender { connect: self.connect, comparison };
        let memory = Memory::default();
        let mut guard =
            Guard { eyes, client, mender, policy, metrics, memory, job: None, counted: None, verdict };
        let mut looks = tokio::time::interval(Duration::from_millis(self.guard_look_ms));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => guard.look().await,
                ended = guard.job_ended() => guard.take_in(ended),
            }
        }
        // A repair in hand is finished: nobody would know afterwards how far it came.
        if matches!(guard.job, Some((Busy::Repairing, _))) {
            let ended = guard.job_ended().await;
            guard.take_in(ended);
        }
        Ok(Exit::Ok)
    }
}

fn readiness(verdict: &Mutex<Verdict>) -> Result<(), String> {
    let verdict = verdict.lock().map_err(|_| "the guard has crashed".to_owned())?;
    if verdict.at.elapsed() > LOOK_AGE_MAX {
        return Err(format!("the last look is {} s old", verdict.at.elapsed().as_secs()));
    }
    verdict.not_ready.clone().map_or(Ok(()), Err)
}

impl Guard {
    /// Looks, decides, shows, acts.
    async fn look(&mut self) {
        let (connector, database) = self.eyes.look().await;
        let counted = self.counted.take();
        let busy = self.job.as_ref().map(|(busy, _)| *busy);
        let seen = Observation { connector, database, counted, busy };
        let (memory, actions) = decide(&seen, std::mem::take(&mut self.memory), Instant::now(), &self.policy);
        self.memory = memory;
        self.metrics.show(&seen, &self.memory, &self.policy);
        if let Ok(mut verdict) = self.verdict.lock() {
            *verdict = Verdict { at: Instant::now(), not_ready: not_ready(&self.memory) };
        }
        for action in actions {
            self.act(action, &seen).await;
        }
    }

    async fn act(&mut self, action: Action, seen: &Observation) {
        let name = &self.eyes.connector.name;
        match action {
            Action::Raise(Alarm::SlotLost, why) => tracing::error!(
                alarm = Alarm::SlotLost.name(),
                why,
                command = DRY_RUN,
                runbook = RUNBOOK,
                "events were lost on their way to Kafka; the command counts them"
            ),
            Action::Raise(alarm, why) => {
                tracing::error!(alarm = alarm.name(), why, runbook = RUNBOOK, "an alarm is raised");
            }
            Action::Clear(alarm) => tracing::info!(alarm = alarm.name(), "an alarm is over"),
            Action::Restart(attempt) => {
                self.metrics.restarts.inc();
                let done = self.client.restart(name).await;
                told(&done, "failed parts are started anew", attempt);
            }
            Action::Stop => {
                let done = self.client.stop(name).await;
                told(&done, "the connector is stopped, so that it does not go on behind the gap", 1);
            }
            Action::Count => {
                let is_running = matches!(&seen.connector, Ok(Some(connector)) if connector.running);
                let counting = self.mender.clone().count(is_running);
                self.job = Some((Busy::Counting, Box::pin(counting)));
            }
            Action::Repair => {
                tracing::warn!("the slot is made anew, and what the topics lack is published again");
                self.job = Some((Busy::Repairing, Box::pin(self.mender.clone().repair())));
            }
        }
    }

    /// Waits until the job ends; for ever where there is none.
    async fn job_ended(&mut self) -> anyhow::Result<Counted> {
        match &mut self.job {
            Some((_, job)) => job.await,
            None => pending().await,
        }
    }

    fn take_in(&mut self, ended: anyhow::Result<Counted>) {
        self.job = None;
        match ended {
            Ok(counted) => {
                tracing::warn!(
                    missing = counted.missing,
                    command = DRY_RUN,
                    "events that the topics lack are counted"
                );
                self.counted = Some(counted);
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), runbook = RUNBOOK, "a job of the guard failed");
            }
        }
    }
}

fn told(done: &Result<(), connect::Error>, what: &str, attempt: u32) {
    match done {
        Ok(()) => tracing::warn!(attempt, "{what}"),
        Err(error) => tracing::error!(attempt, %error, "it was tried in vain: {what}"),
    }
}

/// What a person has to do something about.
fn not_ready(memory: &Memory) -> Option<String> {
    let loss = memory.loss.map(|loss| {
        let missing = memory.missing.map_or("unknown, not counted yet".to_owned(), |count| count.to_string());
        format!("topics may lack events since {loss}; missing when last counted: {missing}; see {RUNBOOK}")
    });
    let spent = memory.alarms.get(&Alarm::BudgetSpent).map(|why| format!("{why}; see {RUNBOOK}"));
    loss.or(spent)
}
