//! When an acknowledged event can be seen, asked as a reader would.

use std::sync::Arc;
use std::time::Duration;

use agent_views::ExecutionsRedis;
use anyhow::{Context, bail};
use events::{AggregateId, TenantId};
use hdrhistogram::Histogram;
use projection_redis::Reader;
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::report::histogram;
use super::workload::Acknowledged;
use crate::chain::{ChainArgs, watermarks};
use crate::stack_defaults::settings;

/// One reader per sink. Each watches one event at a time, asking every millisecond, so that the referee takes no part of
/// the machine worth naming; what it reports is up to a millisecond and a half too long.
#[derive(Debug)]
pub(crate) struct Probes {
    watcher: Arc<watch::Sender<Option<Acknowledged>>>,
    postgres: JoinHandle<anyhow::Result<Histogram<u64>>>,
    redis: JoinHandle<anyhow::Result<Histogram<u64>>>,
}

/// Microseconds from acknowledgement to visibility.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) postgres_us: Histogram<u64>,
    pub(crate) redis_us: Histogram<u64>,
}

/// Between two questions.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// Between two events: at most forty a second are watched.
const REST: Duration = Duration::from_millis(25);
/// An event that is not visible by then is lost.
const PATIENCE: Duration = Duration::from_secs(60);

impl Probes {
    pub(crate) async fn start(stack: &str, tenant: &TenantId) -> anyhow::Result<Self> {
        let args: ChainArgs = settings(stack)?;
        let reader = Arc::new(args.topics.reader()?);
        let topic = <events::ExecutionEvent as events::DomainEvent>::TOPIC;
        let partitions = watermarks(&reader, topic).await?.len();
        let redis = args.redis(partitions)?;
        let postgres =
            PgConnection::connect(&args.views_url).await.context("failed to connect to the views")?;

        let (watcher, newest) = watch::channel(None);
        Ok(Self {
            watcher: Arc::new(watcher),
            postgres: tokio::spawn(Reads::Postgres(Box::new(postgres)).watch(tenant.clone(), newest.clone())),
            redis: tokio::spawn(Reads::Redis(Box::new(redis)).watch(tenant.clone(), newest)),
        })
    }

    /// Where writers leave the event they appended last.
    pub(crate) fn watcher(&self) -> Arc<watch::Sender<Option<Acknowledged>>> {
        Arc::clone(&self.watcher)
    }

    pub(crate) async fn finish(self) -> anyhow::Result<Seen> {
        drop(self.watcher);
        Ok(Seen { postgres_us: self.postgres.await??, redis_us: self.redis.await?? })
    }
}

/// A reader of one sink.
enum Reads {
    Postgres(Box<PgConnection>),
    Redis(Box<Reader<ExecutionsRedis>>),
}

impl Reads {
    async fn version(&mut self, tenant: &TenantId, aggregate_id: AggregateId) -> anyhow::Result<u64> {
        match self {
            Self::Postgres(connection) => {
                let version: Option<i64> =
                    sqlx::query_scalar(include_str!("../../queries/execution_version.sql"))
                        .bind(tenant.as_str())
                        .bind(aggregate_id.0)
                        .fetch_optional(connection.as_mut())
                        .await?;
                Ok(version.unwrap_or(0).unsigned_abs())
            }
            Self::Redis(reader) => Ok(reader.row(tenant, aggregate_id).await?.version),
        }
    }

    async fn watch(
        mut self,
        tenant: TenantId,
        mut newest: watch::Receiver<Option<Acknowledged>>,
    ) -> anyhow::Result<Histogram<u64>> {
        let mut seen = histogram();
        while newest.changed().await.is_ok() {
            let Some(event) = *newest.borrow_and_update() else { continue };
            while self.version(&tenant, event.aggregate_id).await? < event.version {
                if event.at.elapsed() > PATIENCE {
                    bail!(
                        "{} at version {} is not visible after {PATIENCE:?}",
                        event.aggregate_id,
                        event.version
                    );
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
            seen.saturating_record(u64::try_from(event.at.elapsed().as_micros()).unwrap_or(u64::MAX));
            tokio::time::sleep(REST).await;
        }
        Ok(seen)
    }
}
