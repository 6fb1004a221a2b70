//! Where things stand between the store and the sinks, and the roles that move them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_views::ExecutionsRedis;
use anyhow::{Context, bail};
use clap::Args;
use events::{DomainEvent, ExecutionEvent};
use kafka::{BrokerConfig, Password, TopicReader, Watermarks};
use local::Stack;
use projection_redis::{Reader, RedisConfig};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::Mutex;

use crate::role::Role;
use crate::stack_defaults::settings;

/// Between two looks at where things stand, at least.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts the projector of a stack as a process of its own; of all projections where none is named.
pub(crate) fn projector(
    stack: &str,
    projections: &[&str],
    environment: &[(&str, &str)],
) -> anyhow::Result<Role> {
    Role::start("projector", projections, stack, environment, &Stack::open(stack)?.root().join("logs"))
}

/// Starts the relay to the dead-letter topics as a process of its own.
pub(crate) fn relay(stack: &str) -> anyhow::Result<Role> {
    Role::start("relay", &[], stack, &[], &Stack::open(stack)?.root().join("logs"))
}

/// Reads every topic, as the user who may.
#[derive(Debug, Clone, Args)]
pub(crate) struct TopicsReadArgs {
    #[command(flatten)]
    broker: BrokerConfig,

    /// User that may read every topic
    #[arg(long, env = "MILLRACE_KAFKA_AUDITOR_USER", default_value = "auditor")]
    auditor_user: String,

    /// Its password
    #[arg(long, env = "MILLRACE_KAFKA_AUDITOR_PASSWORD", hide_env_values = true)]
    auditor_password: Option<Password>,
}

impl TopicsReadArgs {
    /// A reader of topics; its group is its own and commits nothing.
    pub(crate) fn reader(&self) -> anyhow::Result<TopicReader> {
        self.reader_as(&format!("verify-{}", uuid::Uuid::now_v7().simple()))
    }

    /// The same in a group that the user may use.
    pub(crate) fn reader_as(&self, group: &str) -> anyhow::Result<TopicReader> {
        Ok(TopicReader::new(&self.broker, &self.auditor_user, self.auditor_password.as_ref(), group)?)
    }
}

/// Reads every stage, changes none.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChainArgs {
    #[command(flatten)]
    pub(crate) store: event_store::AuditConfig,

    #[command(flatten)]
    pub(crate) topics: TopicsReadArgs,

    /// The views' database as the role `views_writer`
    #[arg(long, env = "MILLRACE_VIEWS_WRITER_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) views_url: String,

    #[command(flatten)]
    pub(crate) redis: RedisConfig,
}

impl ChainArgs {
    pub(crate) async fn views(&self) -> anyhow::Result<PgPool> {
        let pool = PgPoolOptions::new().max_connections(2).connect(&self.views_url).await;
        pool.context("failed to connect to the views' database")
    }

    /// A reader of the Redis views; it needs to know how many partitions the topic has.
    pub(crate) fn redis(&self, partitions: usize) -> anyhow::Result<Reader<ExecutionsRedis>> {
        Ok(Reader::new(&self.redis, i32::try_from(partitions)?)?)
    }
}

/// Connections to every stage.
#[derive(Debug)]
pub(crate) struct Chain {
    store: PgPool,
    views: PgPool,
    topic: Arc<TopicReader>,
    redis: Mutex<Reader<ExecutionsRedis>>,
}

/// Events at each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) appended: u64,
    /// Records, duplicates included.
    pub(crate) in_topic: u64,
    /// Events that took effect in Postgres and in Redis.
    pub(crate) applied: [u64; 2],
}

impl Standing {
    /// Events that are stored and not yet in every view.
    pub(crate) fn in_flight(&self) -> u64 {
        self.appended.saturating_sub(self.applied[0].min(self.applied[1]))
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { appended, in_topic, applied: [postgres, redis] } = self;
        write!(
            f,
            "appended {appended:>6} | in topic {in_topic:>6} | applied: Postgres {postgres:>6}, Redis {redis:>6} | lag {:>6}",
            self.in_flight()
        )
    }
}

impl Chain {
    pub(crate) async fn connect(stack: &str) -> anyhow::Result<Self> {
        let args: ChainArgs = settings(stack)?;
        let topic = Arc::new(args.topics.reader()?);
        let partitions = watermarks(&topic, ExecutionEvent::TOPIC).await?.len();
        Ok(Self {
            store: args.store.connect().await?,
            views: args.views().await?,
            redis: Mutex::new(args.redis(partitions)?),
            topic,
        })
    }

    /// Asks every stage, from the end to the beginning, so that no event is counted at a stage and not before it.
    pub(crate) async fn standing(&self) -> anyhow::Result<Standing> {
        let mut redis = 0;
        self.redis.lock().await.rows(|view| redis += view.row.version).await?;
        let postgres: i64 = sqlx::query_scalar(include_str!("../queries/execution_applied.sql"))
            .fetch_one(&self.views)
            .await?;
        let in_topic: i64 = watermarks(&self.topic, ExecutionEvent::TOPIC)
            .await?
            .iter()
            .map(|partition| partition.high - partition.low)
            .sum();
        let appended: i64 = sqlx::query_scalar(include_str!("../queries/execution_event_count.sql"))
            .fetch_one(&self.store)
            .await?;
        Ok(Standing {
            appended: appended.unsigned_abs(),
            in_topic: in_topic.unsigned_abs(),
            applied: [postgres.unsigned_abs(), redis],
        })
    }

    /// Waits until at most `left` events are in flight. Gives up when nothing moved for `patience`.
    pub(crate) async fn drained(
        &self,
        left: u64,
        patience: Duration,
        mut seen: impl FnMut(Standing),
    ) -> anyhow::Result<Standing> {
        let (mut last, mut moved) = (Standing::default(), Instant::now());
        loop {
            let asked = Instant::now();
            let standing = self.standing().await?;
            // Everything is counted: whoever waits long for that is not to be what all others wait for.
            let pause = PAUSE.max(4 * asked.elapsed());
            seen(standing);
            if standing.in_flight() <= left {
                return Ok(standing);
            }
            if standing != last {
                (last, moved) = (standing, Instant::now());
            }
            if moved.elapsed() > patience {
                bail!("nothing has moved for {patience:?}: {standing}");
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Where the partitions of a topic begin and end.
pub(crate) async fn watermarks(
    reader: &Arc<TopicReader>,
    topic: &'static str,
) -> anyhow::Result<Vec<Watermarks>> {
    let reader = Arc::clone(reader);
    Ok(tokio::task::spawn_blocking(move || reader.watermarks(topic)).await??)
}

/// Records that a topic has ever had.
pub(crate) async fn end_of(reader: &Arc<TopicReader>, topic: &'static str) -> anyhow::Result<u64> {
    Ok(watermarks(reader, topic).await?.iter().map(|partition| partition.high.unsigned_abs()).sum())
}
