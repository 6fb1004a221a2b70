use std::collections::HashSet;

use agent_views::ExecutionsRedis;
use events::{DomainEvent, ExecutionEvent, TenantId};
use kafka::{BrokerConfig, Record, TopicReader};
use projection_redis::{Reader, RedisConfig};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use sqlx::PgConnection;

use super::{Agent, PATIENCE, World, eventually, unique};

/// How many events of one tenant are at each stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) appended: u64,
    /// In Postgres and in Redis.
    pub(crate) applied: [u64; 2],
}

impl Standing {
    /// Stored, and not yet in every view.
    pub(crate) fn in_flight(self) -> u64 {
        self.appended.saturating_sub(self.applied[0].min(self.applied[1]))
    }

    /// Both views have begun.
    pub(crate) fn has_begun(self) -> bool {
        self.applied.iter().all(|applied| *applied > 0)
    }
}

impl World {
    /// Asks the stages from the end to the beginning, so that no event is counted late and not early.
    pub(crate) async fn standing(&self, tenant: &TenantId) -> Standing {
        let mut redis = 0;
        let count = |view: projection_redis::ViewAt<_>| {
            if view.tenant == *tenant {
                redis += view.row.version;
            }
        };
        self.redis().rows(count).await.unwrap();
        let mut views = self.postgres("MILLRACE_VIEWS_WRITER_URL").await;
        let applied = "select coalesce(sum(version), 0)::bigint from execution where tenant_id = $1";
        let postgres = number(&mut views, applied, tenant).await;
        Standing { appended: self.appended(tenant).await, applied: [postgres, redis] }
    }

    /// How many events of a tenant are stored.
    pub(crate) async fn appended(&self, tenant: &TenantId) -> u64 {
        let mut store = self.postgres("MILLRACE_EVENTS_AUDITOR_URL").await;
        number(&mut store, "select count(*) from event_store where tenant_id = $1", tenant).await
    }

    /// How many connections of the role `app` the store has.
    pub(crate) async fn writers(&self) -> i64 {
        let mut superuser = self.postgres("MILLRACE_POSTGRES_SUPERUSER_URL").await;
        let writers =
            "select count(*) from pg_stat_activity where usename = 'app' and datname = 'millrace_events'";
        sqlx::query_scalar(writers).fetch_one(&mut superuser).await.unwrap()
    }

    /// Waits until both views have all that is stored of a tenant, except for `held` events.
    pub(crate) async fn drained_but(&self, held: u64, tenant: &TenantId) {
        let mut last = Standing::default();
        let what = format!("all but {held} events of {tenant} are applied");
        eventually(&what, PATIENCE, async || {
            let standing = self.standing(tenant).await;
            if standing != last {
                eprintln!("{standing:?}");
            }
            last = standing;
            last.appended > 0 && last.in_flight() == held
        })
        .await;
    }

    /// Waits until both views have all that is stored of a tenant, except for `held` events, which are parked in both.
    pub(crate) async fn parked_but_drained(&self, held: u32, tenant: &TenantId) {
        let mut views = self.postgres("MILLRACE_VIEWS_WRITER_URL").await;
        let parked = "select count(*) from parked_event where tenant_id = $1 and released_at is null";
        let what = format!("{held} events of {tenant} are parked in both views");
        let in_both = u64::from(held) * 2;
        eventually(&what, PATIENCE, async || number(&mut views, parked, tenant).await == in_both).await;
        self.drained_but(held.into(), tenant).await;
    }

    /// Waits until both views have all that is stored of a tenant.
    pub(crate) async fn drained(&self, tenant: &TenantId) {
        self.drained_but(0, tenant).await;
    }

    /// Distinct events of a tenant in the topic of executions.
    pub(crate) async fn in_topic(&self, tenant: &TenantId) -> u64 {
        self.in_topic_of::<ExecutionEvent>(tenant).await
    }

    /// Distinct events of a tenant in the topic of a set of events.
    pub(crate) async fn in_topic_of<E: DomainEvent>(&self, tenant: &TenantId) -> u64 {
        let records = self.records(E::TOPIC).await;
        let of_tenant = records.iter().filter(|it| it.header("tenant") == Some(tenant.as_str().as_bytes()));
        of_tenant.filter_map(|record| record.header("ce_id")).collect::<HashSet<_>>().len() as u64
    }

    /// Every record of a topic, as the user who may read them all.
    pub(crate) async fn records(&self, topic: &str) -> Vec<Record> {
        let broker = BrokerConfig { bootstrap: self.fact("MILLRACE_KAFKA_BOOTSTRAP").to_owned() };
        let password = self.fact("MILLRACE_KAFKA_AUDITOR_PASSWORD").parse().unwrap();
        let reader = TopicReader::new(&broker, "auditor", Some(&password), &unique("verify")).unwrap();
        let topic = topic.to_owned();
        let read = move || {
            let mut records = Vec::new();
            reader.read(&topic, |record| records.push(record)).unwrap();
            records
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    /// A connection to Redis that no projector knows of.
    pub(crate) async fn redis_connection(&self) -> MultiplexedConnection {
        let redis = redis::Client::open(self.fact("MILLRACE_REDIS_URL")).unwrap();
        redis.get_multiplexed_async_connection().await.unwrap()
    }

    /// Changes what the row of an execution in Redis shows; answers its key, and the document that was there.
    pub(crate) async fn spoil_in_redis(&self, agent: &Agent) -> (String, String) {
        let mut redis = self.redis_connection().await;
        let keys: Vec<String> = redis.keys(format!("executions-redis:*:row:*{}", agent.id)).await.unwrap();
        let [key] = keys.as_slice() else { panic!("{keys:?}") };
        let right: String = redis.hget(key, "d").await.unwrap();
        let mut wrong: Value = serde_json::from_str(&right).unwrap();
        wrong["prompt_tokens"] = 99.into();
        let () = redis.hset(key, "d", wrong.to_string()).await.unwrap();
        (key.clone(), right)
    }

    /// The Redis views, as readers see them.
    pub(crate) fn redis(&self) -> Reader<ExecutionsRedis> {
        Reader::new(&RedisConfig::new(self.fact("MILLRACE_REDIS_URL")), 12).unwrap()
    }
}

async fn number(connection: &mut PgConnection, query: &'static str, tenant: &TenantId) -> u64 {
    let number: i64 = sqlx::query_scalar(query).bind(tenant.as_str()).fetch_one(connection).await.unwrap();
    number.unsigned_abs()
}
