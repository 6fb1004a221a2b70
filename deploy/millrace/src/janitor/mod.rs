//! `millrace run janitor`: what has to be done to the events' database again and again.
//!
//! Several may run; the one that holds the lock works, the others stand by. A chore may be cut short at any point and is
//! then begun again, here or by the next janitor.

mod agenda;
mod archive_streams;
mod chore;
mod clean_snapshots;
mod horizon;
mod leadership;
mod metrics;
mod watch_appenders;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::Utc;
use clap::Args;
use event_store::SnapshotKeeper;
use outbox::{Outbox, Retention};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;

use self::agenda::Agenda;
use self::archive_streams::RetentionArgs;
use self::chore::{Chore, ExpireKeys, RollOutbox};
use self::clean_snapshots::CleanSnapshots;
use self::horizon::Horizon;
use self::leadership::Leadership;
use self::metrics::Metrics;
use self::watch_appenders::WatchArgs;
use crate::exit::Exit;
use crate::run::HealthArgs;

#[derive(Debug, Args)]
pub(crate) struct JanitorArgs {
    #[command(flatten)]
    health: HealthArgs,

    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,

    /// Days of the outbox to have ready after today; as many may pass without a janitor before appends fail
    #[arg(long, env = "MILLRACE_OUTBOX_DAYS_AHEAD", default_value_t = 14, value_name = "DAYS")]
    outbox_days_ahead: u16,

    /// Whole days of the outbox to keep before today, for people; Debezium reads the log and needs none
    #[arg(long, env = "MILLRACE_OUTBOX_DAYS_KEPT", default_value_t = 3, value_name = "DAYS")]
    outbox_days_kept: u16,

    /// Hours that the answer to a command with an idempotency key is kept, at least one: as long as a sender may retry
    #[arg(
        long, env = "MILLRACE_IDEMPOTENCY_HOURS_KEPT", default_value_t = 24, value_name = "HOURS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    idempotency_hours_kept: u32,

    /// Snapshots to keep of each aggregate, the newest
    #[arg(long, env = "MILLRACE_SNAPSHOTS_KEPT", default_value_t = 2, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..))]
    snapshots_kept: u16,

    #[command(flatten)]
    retention: RetentionArgs,

    #[command(flatten)]
    appenders: WatchArgs,
}

/// How often the agenda and the lock are looked at.
const BEAT: Duration = Duration::from_secs(1);
/// How often the days ahead are counted, for readiness; by those who stand by as well.
const HORIZON_EVERY: Duration = Duration::from_secs(15);
/// The longest a chore may take. What waits longer waits for somebody who will not go away by being waited for.
const CHORE_MAX: Duration = Duration::from_secs(600);

impl JanitorArgs {
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let owner = PgPoolOptions::new()
            .max_connections(4)
            .connect(&self.events_owner_url)
            .await
            .context("failed to connect to the events' database as owner")?;
        let outbox = Outbox::new(owner.clone());
        let (metrics, registry) = (Metrics::new(), prometheus::Registry::new());
        metrics.register(&registry)?;
        self.appenders.start(owner.clone(), &registry, stop.clone())?;
        let horizon = Arc::new(Horizon::default());
        horizon.look(&outbox, &metrics).await?;
        let ready = horizon.clone();
        self.health
            .serve_when(Arc::new(move || ready.judge(Utc::now().date_naive())), registry, &stop)
            .await?;

        let leadership = Leadership::new(self.events_owner_url.parse()?);
        let chores = self.chores(&owner).await?;
        let work = Work { chores, leadership, horizon, metrics, outbox };
        work.until(stop).await;
        Ok(Exit::Ok)
    }

    /// Everything that comes round. A new chore is one file and one line here.
    async fn chores(&self, owner: &PgPool) -> anyhow::Result<Vec<Box<dyn Chore>>> {
        let retention = Retention { days_ahead: self.outbox_days_ahead, days_kept: self.outbox_days_kept };
        let kept = Duration::from_secs(u64::from(self.idempotency_hours_kept) * 3600);
        let mut chores: Vec<Box<dyn Chore>> = vec![
            Box::new(RollOutbox { outbox: Outbox::new(owner.clone()), retention }),
            Box::new(ExpireKeys { owner: owner.clone(), kept }),
            Box::new(CleanSnapshots {
                keeper: SnapshotKeeper::new(owner.clone()),
                kept: self.snapshots_kept,
            }),
        ];
        chores.extend(self.retention.chore(owner).await?.map(|chore| Box::new(chore) as Box<dyn Chore>));
        Ok(chores)
    }
}

struct Work {
    chores: Vec<Box<dyn Chore>>,
    leadership: Leadership,
    horizon: Arc<Horizon>,
    metrics: Metrics,
    outbox: Outbox,
}

impl Work {
    /// Works while this janitor is the one, stands by while it is not. A chore in hand is finished before stopping.
    async fn until(mut self, stop: CancellationToken) {
        let mut agenda = Agenda::new(self.chores.iter().map(|chore| chore.every()).collect(), Instant::now());
        let mut look_at = Instant::now() + HORIZON_EVERY;
        while !stop.is_cancelled() {
            if Instant::now() >= look_at {
                self.look().await;
                look_at = Instant::now() + HORIZON_EVERY;
            }
            let Some(leads) = stop.run_until_cancelled(self.leadership.hold()).await else { break };
            self.metrics.leader.set(leads.into());
            self.metrics.standbys.inc_by((!leads).into());
            match agenda.due(Instant::now()).filter(|_| leads) {
                Some(index) => {
                    let went_well = self.work(index).await;
                    agenda.done(index, Instant::now(), went_well);
                }
                None => {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(BEAT) => {}
                    }
                }
            }
        }
    }

    /// Does one chore; a failure is logged and counted, and no other chore suffers from it.
    async fn work(&self, index: usize) -> bool {
        let (chore, begun) = (&self.chores[index], Instant::now());
        let did = match tokio::time::timeout(CHORE_MAX, chore.run()).await {
            Ok(did) => did,
            Err(_) => Err(anyhow::anyhow!("it took longer than {CHORE_MAX:?} and was given up")),
        };
        self.metrics.done(chore.name(), begun.elapsed(), did.is_ok());
        match &did {
            Ok(did) => tracing::info!(chore = chore.name(), did, "a chore is done"),
            Err(error) => {
                tracing::error!(chore = chore.name(), error = format!("{error:#}"), "a chore failed")
            }
        }
        self.look().await;
        did.is_ok()
    }

    async fn look(&self) {
        if let Err(error) = self.horizon.look(&self.outbox, &self.metrics).await {
            tracing::warn!(%error, "the days of the outbox cannot be counted");
        }
    }
}
