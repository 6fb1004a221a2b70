//! What every test here starts from: a namespace and a views' database of its own, and a projection that counts.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use events::{AggregateId, ExecutionEvent, Recorded, Sum, TenantId, Timestamp};
use kafka::{Changes, Claim, Progress, RowChange, RowKey, Source, ViewStore};
use projection::{Moment, Projection, Rank, Refusal, Row};
use projection_redis::{Error, Reader, RedisConfig, RedisViews};
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

pub(crate) const TOPIC: &str = "agents.execution.events";
pub(crate) const PARTITIONS: i32 = 12;

/// Counts; even counts are ranked on one board, odd ones on another. From a thousand on a count was finished so many milliseconds
/// after 1970 began.
#[derive(Debug)]
pub(crate) struct Counts;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) n: i64,
}

impl Projection for Counts {
    const NAME: &'static str = "counts-redis";
    type Event = ExecutionEvent;
    type View = Count;

    fn apply(view: Option<Count>, _: &Recorded<ExecutionEvent>) -> Result<Option<Count>, Refusal> {
        Ok(Some(Count { n: view.map_or(0, |count| count.n) + 1 }))
    }

    fn finished_at(count: &Count) -> Option<Moment> {
        let finished_at = Timestamp::from_micros(count.n.checked_mul(1_000)?);
        (count.n >= 1_000).then(|| finished_at.try_into().ok()).flatten()
    }

    fn rank(count: &Count) -> Option<Rank> {
        Some(Rank { board: if count.n % 2 == 0 { "even" } else { "odd" }, score: count.n })
    }
}

pub(crate) struct Stage {
    pub(crate) database: testkit::Database,
    pub(crate) config: RedisConfig,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let database = testkit::views_database().await;
        let mut owner = PgConnection::connect(&database.url("owner")).await.unwrap();
        ownership::migrate(&mut owner).await.unwrap();
        dead_letters::migrate(&mut owner).await.unwrap();
        let mut config = RedisConfig::new(testkit::stack().redis_url());
        config.namespace = Some(testkit::unique("counts"));
        Self { database, config }
    }

    /// One owner of partitions.
    pub(crate) fn store(&self, owner: &str) -> RedisViews<Counts> {
        self.store_with(&self.config, owner)
    }

    pub(crate) fn store_with(&self, config: &RedisConfig, owner: &str) -> RedisViews<Counts> {
        let views = PgConnectOptions::from_str(&self.database.url("views_writer")).unwrap();
        RedisViews::new(config, views, owner).unwrap()
    }

    pub(crate) fn reader(&self) -> Reader<Counts> {
        Reader::new(&self.config, PARTITIONS).unwrap()
    }

    /// A connection that the sink knows nothing of.
    pub(crate) async fn redis(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.config.url.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// What the feed of a partition tells, entry by entry: whose rows, and their ids and versions.
    pub(crate) async fn fed(&self, partition: i32) -> Vec<(TenantId, Vec<(AggregateId, u64)>)> {
        let mut read = redis::cmd("XRANGE");
        read.arg(self.key(partition, "changes")).arg("-").arg("+");
        let entries: Vec<(String, HashMap<String, String>)> =
            read.query_async(&mut self.redis().await).await.unwrap();
        let entry = |(_, fields): (String, HashMap<String, String>)| {
            let words: Vec<&str> = fields.get("rows")?.split(' ').collect();
            let row = |row: &[&str]| (row[0].parse().unwrap(), row[1].parse().unwrap());
            Some((fields["tenant"].parse().unwrap(), words.chunks(2).map(row).collect()))
        };
        entries.into_iter().filter_map(entry).collect()
    }

    pub(crate) fn key(&self, partition: i32, rest: &str) -> String {
        format!("{}:{{p{partition}}}:{rest}", self.config.namespace.as_deref().unwrap())
    }

    /// Redis forgets all it had of this namespace.
    pub(crate) async fn wipe(&self) {
        let mut redis = self.redis().await;
        let pattern = format!("{}:*", self.config.namespace.as_deref().unwrap());
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut redis).await.unwrap();
        if !keys.is_empty() {
            redis::cmd("DEL").arg(keys).exec_async(&mut redis).await.unwrap();
        }
    }
}

pub(crate) fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

pub(crate) fn aggregate(n: u64) -> AggregateId {
    AggregateId(Uuid::from_u64_pair(5, n))
}

pub(crate) fn key(n: u64) -> RowKey {
    RowKey { tenant: tenant(), aggregate_id: aggregate(n) }
}

/// The row at a version that counts to it; version 0: no row.
pub(crate) fn row(version: u64) -> Row<Count> {
    let sum = Sum::from_bytes(u128::from(version).to_be_bytes());
    Row { version, view: (version > 0).then(|| Count { n: version.cast_signed() }), sum, ..Row::default() }
}

/// A row going from one version to another.
pub(crate) fn change(partition: i32, n: u64, old: u64, new: u64) -> RowChange<Count> {
    let last =
        Source { offset: 0, occurred_at: Timestamp::from_micros(0), recorded_at: Timestamp::from_micros(0) };
    RowChange { key: key(n), partition, old: row(old).into(), new: row(new).into(), last }
}

/// A flush of one claimed partition.
pub(crate) fn flush(claim: &Claim, next_offset: i64, rows: Vec<RowChange<Count>>) -> Changes<Count> {
    let mut changes = Changes::new(Arc::from(TOPIC));
    changes.progress.push(Progress {
        partition: claim.partition,
        epoch: claim.epoch,
        from: claim.next_offset,
        next_offset,
        fingerprint: None,
    });
    changes.rows = rows;
    changes
}

/// Claims one partition.
pub(crate) async fn claim(store: &mut RedisViews<Counts>, partition: i32) -> Result<Claim, Error> {
    Ok(store.claim(TOPIC, &[partition]).await?.remove(0))
}

/// The version of a row; 0: there is none.
pub(crate) async fn version(store: &mut RedisViews<Counts>, partition: i32, n: u64) -> u64 {
    let loaded = store.load(&[(partition, key(n))]).await.unwrap();
    loaded.first().map_or(0, |loaded| loaded.row.version)
}
