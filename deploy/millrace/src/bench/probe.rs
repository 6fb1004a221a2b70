//! When an acknowledged event can be seen, asked as a reader would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agent_views::ExecutionsRedis;
use anyhow::{Context, bail};
use events::TenantId;
use hdrhistogram::Histogram;
use projection_redis::Reader;
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::report::histogram;
use super::workload::Acknowledged;
use crate::chain::ChainArgs;
use crate::role::Role;
use crate::stack_defaults::settings;

/// One reader per sink. Each watches one event at a time, asking every millisecond, so that the referee takes no part of
/// the machine worth naming; what it reports is up to a millisecond and a half too long.
#[derive(Debug)]
pub(crate) struct Probes {
    watcher: mpsc::Sender<Acknowledged>,
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
        let reader = args.topic_reader()?;
        let topic = <events::ExecutionEvent as events::DomainEvent>::TOPIC;
        let partitions = tokio::task::spawn_blocking(move || reader.watermarks(topic)).await??.len();
        let redis = args.redis(partitions)?;
        let postgres = PgConnection::connect(&args.views_url).await.context("failed to connect to the views")?;

        let (watcher, mut acknowledged) = mpsc::channel::<Acknowledged>(1);
        let (for_postgres, from_postgres) = mpsc::channel(1);
        let (for_redis, from_redis) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(event) = acknowledged.recv().await {
                // A probe that is busy misses this one.
                drop(for_postgres.try_send(event));
                drop(for_redis.try_send(event));
            }
        });
        Ok(Self {
            watcher,
            postgres: tokio::spawn(watch_postgres(postgres, tenant.clone(), from_postgres)),
            redis: tokio::spawn(watch_redis(redis, tenant.clone(), from_redis)),
        })
    }

    pub(crate) fn watcher(&self) -> mpsc::Sender<Acknowledged> {
        self.watcher.clone()
    }

    pub(crate) async fn finish(self) -> anyhow::Result<Seen> {
        drop(self.watcher);
        Ok(Seen { postgres_us: self.postgres.await??, redis_us: self.redis.await?? })
    }
}

async fn watch_postgres(
    mut connection: PgConnection,
    tenant: TenantId,
    mut events: mpsc::Receiver<Acknowledged>,
) -> anyhow::Result<Histogram<u64>> {
    let mut seen = histogram();
    while let Some(event) = events.recv().await {
        until_visible(&event, &mut seen, async || {
            let version: Option<i64> = sqlx::query_scalar(include_str!("../../queries/execution_version.sql"))
                .bind(tenant.as_str())
                .bind(event.aggregate_id.0)
                .fetch_optional(&mut connection)
                .await?;
            Ok(version.unwrap_or(0).unsigned_abs())
        })
        .await?;
    }
    Ok(seen)
}

async fn watch_redis(
    mut reader: Reader<ExecutionsRedis>,
    tenant: TenantId,
    mut events: mpsc::Receiver<Acknowledged>,
) -> anyhow::Result<Histogram<u64>> {
    let mut seen = histogram();
    while let Some(event) = events.recv().await {
        until_visible(&event, &mut seen, async || Ok(reader.row(&tenant, event.aggregate_id).await?.version)).await?;
    }
    Ok(seen)
}

async fn until_visible(
    event: &Acknowledged,
    seen: &mut Histogram<u64>,
    mut version: impl AsyncFnMut() -> anyhow::Result<u64>,
) -> anyhow::Result<()> {
    while version().await? < event.version {
        if event.at.elapsed() > PATIENCE {
            bail!("{} at version {} is not visible after {PATIENCE:?}", event.aggregate_id, event.version);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    seen.saturating_record(u64::try_from(event.at.elapsed().as_micros()).unwrap_or(u64::MAX));
    tokio::time::sleep(REST).await;
    Ok(())
}

/// Watches a role's resident memory, once a second.
#[derive(Debug)]
pub(crate) struct RssWatch {
    most_kib: Arc<AtomicU64>,
    stop: CancellationToken,
}

/// Begins to watch.
pub(crate) fn watch_rss(role: &Role) -> RssWatch {
    let (most_kib, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let (most, pid) = (Arc::clone(&most_kib), role.pid());
    tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        loop {
            if let Some(kib) = pid.and_then(Role::rss_kib) {
                most.fetch_max(kib, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }));
    RssWatch { most_kib, stop }
}

impl RssWatch {
    /// The most it was, in MiB.
    pub(crate) fn finish(self) -> f64 {
        self.stop.cancel();
        self.most_kib.load(Ordering::Relaxed) as f64 / 1024.0
    }
}
