//! The projections of this program: each is registered here and nowhere else.

use agent_views::{EXECUTION_TABLE, EXECUTION_TOTAL_TABLE, ExecutionsPostgres, ExecutionsRedis};
use clap::ValueEnum;
use kafka::{BrokerConfig, Metrics, Projector, ProjectorConfig};
use projection::Projection;
use projection_postgres::{PostgresConfig, PostgresViews, Tables};
use projection_redis::{RedisConfig, RedisViews};
use tokio_util::sync::CancellationToken;
use wire::Decoder;

/// A projection of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Registered {
    /// Rows and totals of executions, in Postgres
    ExecutionsPostgres,
    /// Live state of executions and a leaderboard, in Redis
    ExecutionsRedis,
}

/// What any projection may need to run.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) broker: BrokerConfig,
    pub(crate) projector: ProjectorConfig,
    pub(crate) registry: wire::Registry,
    pub(crate) postgres: PostgresConfig,
    pub(crate) redis: RedisConfig,
}

/// A projection that is ready to run.
pub(crate) type Work = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

impl Registered {
    /// Every projection of this program.
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name, which is its consumer group's and the first part of its dead-letter topic's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ExecutionsPostgres => ExecutionsPostgres::NAME,
            Self::ExecutionsRedis => ExecutionsRedis::NAME,
        }
    }

    /// Connects its sink; the work begins when it is awaited.
    pub(crate) async fn prepare(
        self,
        with: &Surroundings,
        stop: CancellationToken,
    ) -> anyhow::Result<(Metrics, Work)> {
        match self {
            Self::ExecutionsPostgres => {
                let tables = Tables { view: EXECUTION_TABLE, totals: Some(EXECUTION_TOTAL_TABLE) };
                let store = PostgresViews::<ExecutionsPostgres>::open(&with.postgres, tables).await?;
                Ok(work::<ExecutionsPostgres, _>(with, store, stop))
            }
            Self::ExecutionsRedis => {
                let owner = format!("{} pid {}", self.name(), std::process::id());
                let views = with.postgres.options(self.name())?;
                let store = RedisViews::<ExecutionsRedis>::new(&with.redis, views, &owner)?;
                Ok(work::<ExecutionsRedis, _>(with, store, stop))
            }
        }
    }
}

fn work<P: Projection, S: kafka::ViewStore<P>>(
    with: &Surroundings,
    store: S,
    stop: CancellationToken,
) -> (Metrics, Work) {
    let decoder = Decoder::new(with.registry.clone());
    let projector = Projector::<P, S>::new(&with.broker, with.projector.clone(), decoder, store);
    (projector.metrics(), Box::pin(async move { Ok(projector.run(stop).await?) }))
}
