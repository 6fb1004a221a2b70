//! What the owner of a partition does with its parked keys, in the transaction it gives.

use std::collections::HashSet;
use std::sync::Arc;

use events::{AggregateId, EventId};
use kafka::{
    Action, Decided, Decision, Hints, Park, ParkKey, ParkedKey, ParkedRecord, Record, Release, Request,
    Settled,
};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::Error;
use crate::headers;

/// The parked keys of one projection and topic, for the process that owns the partitions.
///
/// No function here checks ownership: fence first, in the same transaction.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    projection: String,
    topic: Arc<str>,
}

impl DeadLetters {
    /// Those of this projection and topic.
    pub fn new(projection: impl Into<String>, topic: impl Into<Arc<str>>) -> Self {
        Self { projection: projection.into(), topic: topic.into() }
    }

    /// What is parked in these partitions, and what was decided about them: to be kept in memory by the owner.
    pub async fn claim(
        &self,
        connection: &mut PgConnection,
        partitions: &[i32],
    ) -> Result<(Vec<(i32, ParkedKey)>, Vec<Decided>), Error> {
        let keys: Vec<KeyRow> = sqlx::query_as(include_str!("../queries/parked_key_claim.sql"))
            .bind(&self.projection)
            .bind(&*self.topic)
            .bind(partitions)
            .fetch_all(&mut *connection)
            .await
            .map_err(|source| self.failed("read the parked keys", source))?;
        let decided = self.decided(connection, partitions).await?;
        Ok((keys.into_iter().map(KeyRow::parked).collect(), decided))
    }

    /// What was decided about the events of these partitions.
    pub async fn decided(
        &self,
        connection: &mut PgConnection,
        partitions: &[i32],
    ) -> Result<Vec<Decided>, Error> {
        let decided: Vec<DecidedRow> = sqlx::query_as(include_str!("../queries/decision_claim.sql"))
            .bind(&self.projection)
            .bind(&*self.topic)
            .bind(partitions)
            .fetch_all(connection)
            .await
            .map_err(|source| self.failed("read the decisions", source))?;
        Ok(decided.into_iter().map(DecidedRow::decided).collect())
    }

    /// Queues up the records, each under its key. Those that are queued up already stay as they are.
    pub async fn park(&self, connection: &mut PgConnection, parks: &[Park]) -> Result<(), Error> {
        let mut keys = HashSet::new();
        for park in parks {
            if keys.insert((park.record.partition, &park.key)) {
                self.park_key(connection, park).await.map_err(|source| self.failed("park a key", source))?;
            }
            self.park_event(connection, park).await.map_err(|source| self.failed("park a record", source))?;
        }
        Ok(())
    }

    /// Lets go of records that are done with, and of keys that have none left.
    pub async fn release(&self, connection: &mut PgConnection, releases: &[Release]) -> Result<(), Error> {
        if releases.is_empty() {
            return Ok(());
        }
        let partitions: Vec<i32> = releases.iter().map(|r| r.partition).collect();
        sqlx::query(include_str!("../queries/parked_event_release.sql"))
            .bind(&self.projection)
            .bind(&*self.topic)
            .bind(&partitions)
            .bind(releases.iter().map(|r| r.offset).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await
            .map_err(|source| self.failed("release records", source))?;
        sqlx::query(include_str!("../queries/parked_key_release.sql"))
            .bind(&self.projection)
            .bind(&*self.topic)
            .bind(&partitions)
            .bind(releases.iter().map(|r| r.key.as_bytes()).collect::<Vec<_>>())
            .execute(connection)
            .await
            .map_err(|source| self.failed("release keys", source))?;
        Ok(())
    }

    /// Writes decisions down; one that was taken before stays as it is.
    pub async fn decide(&self, connection: &mut PgConnection, decisions: &[Decision]) -> Result<(), Error> {
        for decision in decisions {
            let version = decision.decided.version.as_ref();
            sqlx::query(include_str!("../queries/decision_insert.sql"))
                .bind(&self.projection)
                .bind(&*self.topic)
                .bind(decision.decided.partition)
                .bind(decision.decided.offset)
                .bind(version.map(|(tenant, _, _)| tenant.as_str()))
                .bind(version.map(|(_, aggregate, _)| aggregate.0))
                .bind(version.map(|(_, _, version)| signed(*version)))
                .bind(decision.event_id.map(|id| id.0))
                .bind(&decision.reason)
                .bind(&decision.actor)
                .execute(&mut *connection)
                .await
                .map_err(|source| self.failed("write down a decision", source))?;
        }
        Ok(())
    }

    /// Answers requests: those that stopped say where and why; the others ended with their last record's release.
    pub async fn settle(&self, connection: &mut PgConnection, settled: &[Settled]) -> Result<(), Error> {
        for settled in settled {
            let Some(stopped) = &settled.stopped else { continue };
            sqlx::query(include_str!("../queries/parked_key_settle.sql"))
                .bind(&self.projection)
                .bind(&*self.topic)
                .bind(settled.partition)
                .bind(settled.key.as_bytes())
                .bind(stopped.reason.as_str())
                .bind(text(&stopped.message))
                .execute(&mut *connection)
                .await
                .map_err(|source| self.failed("answer a request", source))?;
            sqlx::query(include_str!("../queries/parked_event_fail.sql"))
                .bind(&self.projection)
                .bind(&*self.topic)
                .bind(settled.partition)
                .bind(stopped.offset)
                .bind(stopped.reason.as_str())
                .bind(text(&stopped.message))
                .execute(&mut *connection)
                .await
                .map_err(|source| self.failed("mark a failed record", source))?;
        }
        Ok(())
    }

    /// What operators asked for on keys of these partitions.
    pub async fn requests(
        &self,
        connection: &mut PgConnection,
        partitions: &[i32],
    ) -> Result<Vec<Request>, Error> {
        let rows: Vec<RequestRow> = sqlx::query_as(include_str!("../queries/parked_key_requests.sql"))
            .bind(&self.projection)
            .bind(&*self.topic)
            .bind(partitions)
            .fetch_all(connection)
            .await
            .map_err(|source| self.failed("read the requests", source))?;
        Ok(rows.into_iter().map(RequestRow::request).collect())
    }

    /// The first `limit` records of a key, in the order in which they apply.
    pub async fn next(
        &self,
        connection: &mut PgConnection,
        partition: i32,
        key: &ParkKey,
        limit: usize,
    ) -> Result<Vec<ParkedRecord>, Error> {
        let rows: Vec<EventRow> = sqlx::query_as(include_str!("../queries/parked_event_next.sql"))
            .bind(&self.projection)
            .bind(&*self.topic)
            .bind(partition)
            .bind(key.as_bytes())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(connection)
            .await
            .map_err(|source| self.failed("read the parked records", source))?;
        Ok(rows.into_iter().map(|row| row.parked(&self.topic, partition)).collect())
    }

    async fn park_key(&self, connection: &mut PgConnection, park: &Park) -> Result<(), sqlx::Error> {
        sqlx::query(include_str!("../queries/parked_key_insert.sql"))
            .bind(&self.projection)
            .bind(&*self.topic)
            .bind(park.record.partition)
            .bind(park.key.as_bytes())
            .bind(park.hints.tenant.as_ref().map(|t| t.as_str()))
            .bind(park.reason.as_str())
            .bind(text(&park.message))
            .bind(park.record.offset)
            .execute(connection)
            .await
            .map(drop)
    }

    async fn park_event(&self, connection: &mut PgConnection, park: &Park) -> Result<(), sqlx::Error> {
        let Park { key, record, hints, reason, message } = park;
        let (names, values) = headers::split(&record.headers);
        sqlx::query(include_str!("../queries/parked_event_insert.sql"))
            .bind(&self.projection)
            .bind(&*self.topic)
            .bind(record.partition)
            .bind(record.offset)
            .bind(key.as_bytes())
            .bind(record.key.as_deref())
            .bind(record.payload.as_deref())
            .bind(names)
            .bind(values)
            .bind(record.timestamp_ms)
            .bind(record.schema_id().map(i64::from))
            .bind(hints.tenant.as_ref().map(|t| t.as_str()))
            .bind(hints.aggregate_id.map(|id| id.0))
            .bind(hints.version.map(signed))
            .bind(hints.event_id.map(|id| id.0))
            .bind(hints.event_type.as_deref().map(text))
            .bind(reason.as_str())
            .bind(text(message))
            .execute(connection)
            .await
            .map(drop)
    }

    fn failed(&self, action: &'static str, source: sqlx::Error) -> Error {
        Error::Sql { action, projection: self.projection.clone(), source }
    }
}

/// Postgres stores no NUL byte in a text, and nobody reads more than a screen.
fn text(message: &str) -> String {
    message.chars().filter(|c| *c != '\0').take(2_000).collect()
}

/// Versions of events count in a signed 64-bit column from the store on.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

#[derive(FromRow)]
struct KeyRow {
    partition: i32,
    key: Vec<u8>,
    tenant_id: Option<String>,
    first_offset: i64,
    events: i64,
}

impl KeyRow {
    fn parked(self) -> (i32, ParkedKey) {
        let parked = ParkedKey {
            key: ParkKey::from_stored(self.key),
            tenant: self.tenant_id.and_then(|tenant| tenant.parse().ok()),
            first_offset: self.first_offset,
            events: self.events.unsigned_abs(),
        };
        (self.partition, parked)
    }
}

#[derive(FromRow)]
struct DecidedRow {
    partition: i32,
    record_offset: Option<i64>,
    tenant_id: Option<String>,
    aggregate_id: Option<Uuid>,
    version: Option<i64>,
}

impl DecidedRow {
    fn decided(self) -> Decided {
        let tenant = self.tenant_id.and_then(|tenant| tenant.parse().ok());
        let version = match (tenant, self.aggregate_id, self.version) {
            (Some(tenant), Some(aggregate), Some(version)) => {
                Some((tenant, AggregateId(aggregate), version.unsigned_abs()))
            }
            _ => None,
        };
        Decided { partition: self.partition, offset: self.record_offset, version }
    }
}

#[derive(FromRow)]
struct RequestRow {
    partition: i32,
    key: Vec<u8>,
    state: String,
    request_offsets: Option<Vec<i64>>,
    request_foreign: Option<bool>,
    request_reason: Option<String>,
    request_actor: Option<String>,
}

impl RequestRow {
    fn request(self) -> Request {
        let action = if self.state == "discard" {
            Action::Discard {
                offsets: self.request_offsets.unwrap_or_default(),
                foreign: self.request_foreign.unwrap_or_default(),
                reason: self.request_reason.unwrap_or_default(),
                actor: self.request_actor.unwrap_or_default(),
            }
        } else {
            Action::Redrive
        };
        Request { partition: self.partition, key: ParkKey::from_stored(self.key), action }
    }
}

#[derive(FromRow)]
struct EventRow {
    record_offset: i64,
    record_key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    header_names: Vec<Vec<u8>>,
    header_values: Vec<Option<Vec<u8>>>,
    timestamp_ms: Option<i64>,
    tenant_id: Option<String>,
    aggregate_id: Option<Uuid>,
    version: Option<i64>,
    event_id: Option<Uuid>,
    event_type: Option<String>,
}

impl EventRow {
    fn parked(self, topic: &Arc<str>, partition: i32) -> ParkedRecord {
        ParkedRecord {
            record: Record {
                topic: Arc::clone(topic),
                partition,
                offset: self.record_offset,
                timestamp_ms: self.timestamp_ms,
                key: self.record_key,
                payload: self.payload,
                headers: headers::join(&self.header_names, &self.header_values),
            },
            hints: Hints {
                tenant: self.tenant_id.and_then(|tenant| tenant.parse().ok()),
                aggregate_id: self.aggregate_id.map(AggregateId),
                version: self.version.map(i64::unsigned_abs),
                event_id: self.event_id.map(EventId),
                event_type: self.event_type,
            },
        }
    }
}
