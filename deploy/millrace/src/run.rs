//! `millrace run`: the long-running roles.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::{Args, Subcommand};
use dead_letters::{Relay, RelayConfig};
use kafka::{Behind, BrokerConfig, ProjectorConfig};
use projection_postgres::{PostgresConfig, PostgresFeedConfig};
use projection_redis::{RedisConfig, RedisRetentionConfig};
use service::Health;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::command_api::CommandApiArgs;
use crate::connect_guard::GuardArgs;
use crate::exit::Exit;
use crate::janitor::JanitorArgs;
use crate::parked_api::ParkedApiArgs;
use crate::program::projections;
use crate::projections::{Registered, Surroundings, by_name, write_down};
use crate::query_api::QueryApiArgs;
use crate::verify::LedgerArgs;

/// Which role to play until told to stop (SIGTERM or Ctrl-C: drain; twice: at once).
#[derive(Debug, Subcommand)]
pub(crate) enum RunCommand {
    /// Carry events from the topic into the views
    Projector(Box<ProjectorArgs>),
    /// Take commands over HTTP
    CommandApi(Box<CommandApiArgs>),
    /// Answer questions about the views over HTTP
    QueryApi(Box<QueryApiArgs>),
    /// Answer questions about parked keys over HTTP, and take what operators ask for
    ParkedApi(Box<ParkedApiArgs>),
    /// Copy parked records to the dead-letter topics
    Relay(RelayArgs),
    /// Keep the events' database in order: days of the outbox, expired keys, and what else comes round
    Janitor(JanitorArgs),
    /// Compare every view with the store all the time, while both go on
    Ledger(LedgerArgs),
    /// Start failed tasks of the connector anew, and stop it when its replication slot lost events
    ConnectGuard(Box<GuardArgs>),
}

/// The health endpoint of a role.
#[derive(Debug, Clone, Args)]
pub(crate) struct HealthArgs {
    /// Where /livez, /readyz and /metrics are served; port 0: any free one, logged at start
    #[arg(long, env = "MILLRACE_HEALTH_ADDRESS", default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    health_address: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct ProjectorArgs {
    /// Which projections; all of them where none is named
    #[arg(value_parser = by_name())]
    projections: Vec<&'static dyn Registered>,
    #[command(flatten)]
    health: HealthArgs,
    #[command(flatten)]
    broker: BrokerConfig,
    #[command(flatten)]
    projector: ProjectorConfig,
    #[command(flatten)]
    registry: wire::RegistryConfig,
    #[command(flatten)]
    postgres: PostgresConfig,
    #[command(flatten)]
    postgres_feed: PostgresFeedConfig,
    #[command(flatten)]
    redis: RedisConfig,
    #[command(flatten)]
    redis_retention: RedisRetentionConfig,
}

#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    #[command(flatten)]
    health: HealthArgs,
    #[command(flatten)]
    broker: BrokerConfig,
    #[command(flatten)]
    postgres: PostgresConfig,
    #[command(flatten)]
    relay: RelayConfig,
}

impl RunCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let stop = service::shutdown_signal()?;
        match self {
            Self::Projector(args) => args.run(stop).await,
            Self::CommandApi(args) => args.run(stop).await,
            Self::QueryApi(args) => args.run(stop).await,
            Self::ParkedApi(args) => args.run(stop).await,
            Self::Relay(args) => args.run(stop).await,
            Self::Janitor(args) => args.run(stop).await,
            Self::Ledger(args) => args.run(stop).await,
            Self::ConnectGuard(args) => args.run(stop).await,
        }
    }
}

impl HealthArgs {
    /// Serves health and metrics for as long as the process lives. A role that cannot go on ends, and whoever supervises it
    /// starts it again: so one that answers is ready.
    async fn serve(&self, metrics: prometheus::Registry, stop: &CancellationToken) -> anyhow::Result<()> {
        self.serve_when(Arc::new(|| Ok(())), metrics, stop).await
    }

    /// The same for a role that can be there and not be ready.
    pub(crate) async fn serve_when(
        &self,
        ready: service::Probe,
        metrics: prometheus::Registry,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let health = Health::bind(self.health_address, metrics, ready).await?;
        tracing::info!(address = %health.address()?, "health and metrics are served");
        tokio::spawn(health.serve(stop.clone()));
        Ok(())
    }
}

impl ProjectorArgs {
    /// Runs the projections side by side. The first that cannot go on ends them all, loudly.
    async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let surroundings = Surroundings {
            broker: self.broker,
            projector: self.projector,
            registry: wire::Registry::new(&self.registry)?,
            postgres: self.postgres,
            postgres_feed: self.postgres_feed,
            redis: self.redis,
            redis_retention: self.redis_retention,
        };
        let chosen = if self.projections.is_empty() { projections() } else { &self.projections };
        let (registry, mut running) = (prometheus::Registry::new(), JoinSet::new());
        let (mut reports, mut behind) = (vec![], vec![]);
        for projection in chosen {
            let prepared = projection.prepare(&surroundings, stop.clone()).await?;
            prepared.metrics.register(&registry)?;
            reports.push(prepared.reports);
            behind.push((projection.name(), prepared.behind));
            running.spawn(prepared.work);
        }
        running.spawn(write_down(surroundings.postgres, reports, stop.clone()));
        self.health.serve_when(Arc::new(move || answering(&behind)), registry, &stop).await?;
        let mut outcome = Ok(Exit::Ok);
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended.map_err(Into::into).and_then(|ended| ended) {
                stop.cancel();
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }
}

/// Every projection whose sink or registry does not answer is named.
fn answering(projections: &[(&str, Behind)]) -> Result<(), String> {
    let wrong = |(name, behind): &(&str, Behind)| Some(format!("{name}: {}", behind.judge().err()?));
    let wrong: Vec<String> = projections.iter().filter_map(wrong).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

impl RelayArgs {
    async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let mut running = JoinSet::new();
        for projection in projections() {
            let views = self.postgres.options(projection.name())?;
            let relay = Relay::new(projection.name(), views, &self.broker, &self.relay)?;
            let stop = stop.clone();
            running.spawn(async move { relay.run(stop).await });
        }
        self.health.serve(prometheus::Registry::new(), &stop).await?;
        running.join_all().await;
        Ok(Exit::Ok)
    }
}
