//! Copies parked records to the dead-letter topic, for people and tools that watch it.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use futures::future::join_all;
use kafka::{BrokerConfig, Password};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, FromRow, PgConnection};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::headers;

/// Records of one round; also the most that is sent twice after a crash.
const ROUND: i64 = 500;

/// How the relay reaches the dead-letter topics.
#[derive(Debug, Clone, Args)]
pub struct RelayConfig {
    /// User that may write to the dead-letter topics, and to nothing else
    #[arg(long, env = "MILLRACE_KAFKA_DEAD_LETTERS_USER", default_value = "dead-letters")]
    pub dead_letters_user: String,

    /// Its password; without one the broker is spoken to in the clear
    #[arg(long, env = "MILLRACE_KAFKA_DEAD_LETTERS_PASSWORD", hide_env_values = true)]
    pub dead_letters_password: Option<Password>,

    /// How often to look for records to copy, in milliseconds
    #[arg(long, env = "MILLRACE_DEAD_LETTERS_INTERVAL_MS", default_value_t = 500)]
    pub dead_letters_interval_ms: u64,

    /// How long one record may take to be acknowledged before it is tried again, in milliseconds
    #[arg(long, env = "MILLRACE_DEAD_LETTERS_TIMEOUT_MS", default_value_t = 10_000)]
    pub dead_letters_timeout_ms: u64,
}

/// What keeps a relay from starting. What happens later it survives.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// librdkafka does not take the configuration.
    #[error("cannot make a producer for {topic}")]
    Producer {
        /// The dead-letter topic.
        topic: String,
        /// What it said.
        #[source]
        source: KafkaError,
    },
}

/// Copies the parked records of one projection to `<projection>.dlq`: key and value untouched, headers kept, and
/// after them `deadletter.*` headers that say where the record lay and why it parked.
///
/// At least once: `deadletter.id` (topic/partition/offset) tells copies apart. The partitioner is Java's, so a key
/// has the same place in the dead-letter topic as anywhere.
pub struct Relay {
    projection: String,
    topic: String,
    views: PgConnectOptions,
    producer: FutureProducer,
    interval: Duration,
    timeout: Duration,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("projection", &self.projection).field("topic", &self.topic).finish()
    }
}

/// What went wrong in one round; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("the views' database")]
    Sql(#[from] sqlx::Error),
    #[error("the dead-letter topic")]
    Kafka(#[from] KafkaError),
}

#[derive(FromRow)]
struct Parked {
    topic: String,
    partition: i32,
    record_offset: i64,
    record_key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    header_names: Vec<Vec<u8>>,
    header_values: Vec<Option<Vec<u8>>>,
    timestamp_ms: Option<i64>,
    schema_id: Option<i64>,
    reason: String,
    message: String,
    attempts: i32,
    parked_at: DateTime<Utc>,
}

impl Relay {
    /// A relay for one projection; `views` connects as `views_writer`.
    pub fn new(
        projection: &str,
        views: PgConnectOptions,
        broker: &BrokerConfig,
        config: &RelayConfig,
    ) -> Result<Self, RelayError> {
        Self::to(&format!("{projection}.dlq"), projection, views, broker, config)
    }

    /// The same to a topic of another name.
    pub fn to(
        topic: &str,
        projection: &str,
        views: PgConnectOptions,
        broker: &BrokerConfig,
        config: &RelayConfig,
    ) -> Result<Self, RelayError> {
        let producer = broker
            .client(&config.dead_letters_user, config.dead_letters_password.as_ref())
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", config.dead_letters_timeout_ms.to_string())
            .set("linger.ms", "5")
            .set("queue.buffering.max.kbytes", "16384")
            .create()
            .map_err(|source| RelayError::Producer { topic: topic.to_owned(), source })?;
        Ok(Self {
            projection: projection.to_owned(),
            topic: topic.to_owned(),
            views: views.application_name("dead-letters"),
            producer,
            interval: Duration::from_millis(config.dead_letters_interval_ms.max(10)),
            timeout: Duration::from_millis(config.dead_letters_timeout_ms),
        })
    }

    /// Copies until told to stop. Nothing that fails on the way ends it.
    pub async fn run(&self, stop: CancellationToken) {
        let mut failures: u32 = 0;
        while stop.run_until_cancelled(self.serve(&mut failures)).await.is_some() {
            let pause = self.interval * 2u32.saturating_pow(failures.min(6));
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// One connection's life.
    async fn serve(&self, failures: &mut u32) {
        let outcome: Result<(), RoundError> = async {
            let mut connection = PgConnection::connect_with(&self.views).await?;
            while !self.locked(&mut connection).await? {
                // Another relay is at work; take over when it goes.
                tokio::time::sleep(self.interval * 4).await;
            }
            loop {
                let copied = self.round(&mut connection).await?;
                *failures = 0;
                if copied < usize::try_from(ROUND).unwrap_or(usize::MAX) {
                    tokio::time::sleep(self.interval).await;
                }
            }
        }
        .await;
        if let Err(error) = outcome {
            *failures = failures.saturating_add(1);
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            warn!(projection = self.projection, "{error} cannot be used now, the copies wait: {cause}");
        }
    }

    async fn locked(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar(include_str!("../queries/parked_event_relay_lock.sql"))
            .bind(&self.projection)
            .fetch_one(connection)
            .await
    }

    /// Copies what is there, at most [`ROUND`] records; answers how many.
    async fn round(&self, connection: &mut PgConnection) -> Result<usize, RoundError> {
        let parked: Vec<Parked> = sqlx::query_as(include_str!("../queries/parked_event_to_copy.sql"))
            .bind(&self.projection)
            .bind(ROUND)
            .fetch_all(&mut *connection)
            .await?;
        let deliveries = join_all(parked.iter().map(|record| self.send(record))).await;
        let copied: Vec<&Parked> = parked
            .iter()
            .zip(&deliveries)
            .filter(|(_, done)| done.is_ok())
            .map(|(record, _)| record)
            .collect();
        if !copied.is_empty() {
            sqlx::query(include_str!("../queries/parked_event_copied.sql"))
                .bind(&self.projection)
                .bind(copied.iter().map(|r| r.topic.as_str()).collect::<Vec<_>>())
                .bind(copied.iter().map(|r| r.partition).collect::<Vec<_>>())
                .bind(copied.iter().map(|r| r.record_offset).collect::<Vec<_>>())
                .execute(connection)
                .await?;
            info!(
                projection = self.projection,
                topic = self.topic,
                records = copied.len(),
                "copied parked records"
            );
        }
        let count = copied.len();
        deliveries.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(count)
    }

    async fn send(&self, parked: &Parked) -> Result<(), KafkaError> {
        let mut record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&self.topic).headers(self.headers(parked));
        if let Some(key) = &parked.record_key {
            record = record.key(key);
        }
        if let Some(payload) = &parked.payload {
            record = record.payload(payload);
        }
        match self.producer.send(record, self.timeout).await {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error),
        }
    }

    fn headers(&self, parked: &Parked) -> OwnedHeaders {
        let kept = headers::join(&parked.header_names, &parked.header_values);
        let (topic, partition, offset) = (&parked.topic, parked.partition, parked.record_offset);
        let ours = [
            ("deadletter.id", Some(format!("{topic}/{partition}/{offset}"))),
            ("deadletter.projection", Some(self.projection.clone())),
            ("deadletter.topic", Some(topic.clone())),
            ("deadletter.partition", Some(partition.to_string())),
            ("deadletter.offset", Some(offset.to_string())),
            ("deadletter.timestamp", parked.timestamp_ms.map(|ms| ms.to_string())),
            ("deadletter.schemaid", parked.schema_id.map(|id| id.to_string())),
            // What is parked is poison: trouble of a server waits, and a wrong program stops.
            ("deadletter.fault", Some("poison".to_owned())),
            ("deadletter.reason", Some(parked.reason.clone())),
            ("deadletter.message", Some(parked.message.clone())),
            ("deadletter.attempts", Some(parked.attempts.to_string())),
            ("deadletter.parkedtime", Some(parked.parked_at.to_rfc3339_opts(SecondsFormat::Micros, true))),
        ];
        let all = OwnedHeaders::new_with_capacity(parked.header_names.len() + ours.len());
        let all = kept.iter().fold(all, |all, (key, value)| all.insert(Header { key, value }));
        ours.iter().fold(all, |all, (key, value)| all.insert(Header { key, value: value.as_deref() }))
    }
}
