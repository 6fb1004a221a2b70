//! What operators see of parked keys, and what they can ask for.

use chrono::{DateTime, Utc};
use kafka::{Header, ParkKey};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::{Error, headers};

/// The operators' side of parked keys. It never touches a record: it asks the partition's owner, who works on the
/// key between two batches, and answers in `parked_key`.
#[derive(Debug)]
pub struct Operator<'c> {
    connection: &'c mut PgConnection,
}

/// A parked key at a glance.
#[derive(Debug, Clone, FromRow)]
pub struct KeyShown {
    /// Whose it is.
    pub projection: String,
    /// Where its records lay.
    pub topic: String,
    /// And in which partition.
    pub partition: i32,
    /// The key's bytes; show them with [`ParkKey`]'s `Display`.
    pub key: Vec<u8>,
    /// Whose data, if that could be told.
    pub tenant_id: Option<String>,
    /// `parked`, or what is asked for: `redrive`, `discard`.
    pub state: String,
    /// Why, in one word.
    pub reason: String,
    /// Why.
    pub message: String,
    /// Its first record.
    pub first_offset: i64,
    /// Redrives that failed.
    pub attempts: i32,
    /// Since when.
    pub parked_at: DateTime<Utc>,
    /// How many records wait.
    pub events: i64,
}

impl KeyShown {
    /// The key, ready to be shown.
    pub fn key(&self) -> ParkKey {
        ParkKey::from_stored(self.key.clone())
    }
}

/// A parked record in full.
#[derive(Debug, Clone, FromRow)]
pub struct EventShown {
    /// Where it lay.
    pub topic: String,
    /// In which partition.
    pub partition: i32,
    /// At which offset.
    pub record_offset: i64,
    /// Its key as it came.
    pub record_key: Option<Vec<u8>>,
    /// Its value, untouched.
    pub payload: Option<Vec<u8>>,
    header_names: Vec<Vec<u8>>,
    header_values: Vec<Option<Vec<u8>>>,
    /// Its time, in milliseconds since the Unix epoch.
    pub timestamp_ms: Option<i64>,
    /// The schema that it says it was written with.
    pub schema_id: Option<i64>,
    /// Whose data, if that could be told.
    pub tenant_id: Option<String>,
    /// Whose event, if that could be told.
    pub aggregate_id: Option<Uuid>,
    /// Which version, if that could be told.
    pub version: Option<i64>,
    /// Which event, if that could be told.
    pub event_id: Option<Uuid>,
    /// What kind, if that could be told.
    pub event_type: Option<String>,
    /// Why, in one word.
    pub reason: String,
    /// Why.
    pub message: String,
    /// Redrives that stopped here.
    pub attempts: i32,
    /// Since when.
    pub parked_at: DateTime<Utc>,
    /// When the dead-letter topic had its copy.
    pub copied_at: Option<DateTime<Utc>>,
}

impl EventShown {
    /// Its headers, in order.
    pub fn headers(&self) -> Vec<Header> {
        headers::join(self.header_names.clone(), self.header_values.clone())
    }
}

/// A decision as it is written down.
#[derive(Debug, Clone, FromRow)]
pub struct DecisionShown {
    /// Where the record lay, or should have.
    pub topic: String,
    /// In which partition.
    pub partition: i32,
    /// At which offset; `None` for a version that never came.
    pub record_offset: Option<i64>,
    /// Whose data, unless the record is foreign.
    pub tenant_id: Option<String>,
    /// Whose event, unless the record is foreign.
    pub aggregate_id: Option<Uuid>,
    /// Which version has no effect, unless the record is foreign.
    pub version: Option<i64>,
    /// Which event, if there was one.
    pub event_id: Option<Uuid>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// Which records of a key a discard means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The one that blocks the others.
    First,
    /// All that are parked now; what arrives later is not discarded.
    All,
}

impl<'c> Operator<'c> {
    /// As `views_writer`.
    pub fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// At most `limit` parked keys of a projection, or of all, the longest parked first.
    pub async fn list(&mut self, projection: Option<&str>, limit: i64) -> Result<Vec<KeyShown>, Error> {
        sqlx::query_as(include_str!("../queries/parked_key_list.sql"))
            .bind(projection)
            .bind(limit)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("list the parked keys", projection.unwrap_or("any projection")))
    }

    /// The first `limit` records of a key, in the order in which they would be applied.
    pub async fn show(
        &mut self,
        projection: &str,
        key: &ParkKey,
        limit: i64,
    ) -> Result<Vec<EventShown>, Error> {
        let shown: Vec<EventShown> = sqlx::query_as(include_str!("../queries/parked_event_show.sql"))
            .bind(projection)
            .bind(key.as_bytes())
            .bind(limit)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("show a parked key", projection))?;
        if shown.is_empty() { Err(not_parked(projection, key)) } else { Ok(shown) }
    }

    /// Every decision that was taken for a projection, in the order in which they were taken.
    pub async fn decisions(&mut self, projection: &str) -> Result<Vec<DecisionShown>, Error> {
        sqlx::query_as(include_str!("../queries/decision_list.sql"))
            .bind(projection)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("list the decisions", projection))
    }

    /// Asks the owner to apply the key's records in order, up to the first that fails.
    pub async fn redrive(&mut self, projection: &str, key: &ParkKey, actor: &str) -> Result<(), Error> {
        for (topic, partition) in self.parked_in(projection, key).await? {
            self.request(projection, &topic, partition, key, "redrive", actor, None, None, None).await?;
        }
        Ok(())
    }

    /// Asks the owner to do without records of the key, and to apply what is left. `foreign`: the records are no
    /// events of the aggregate, so its version does not move. Answers the offsets that are meant.
    pub async fn discard(
        &mut self,
        projection: &str,
        key: &ParkKey,
        scope: Scope,
        foreign: bool,
        reason: &str,
        actor: &str,
    ) -> Result<Vec<i64>, Error> {
        if reason.trim().is_empty() || actor.trim().is_empty() {
            return Err(Error::Unreasoned);
        }
        let mut meant = Vec::new();
        for (topic, partition) in self.parked_in(projection, key).await? {
            let offsets = self.offsets(projection, &topic, partition, key, scope).await?;
            let request = (Some(reason), Some(&offsets[..]), Some(foreign));
            self.request(
                projection, &topic, partition, key, "discard", actor, request.0, request.1, request.2,
            )
            .await?;
            meant.extend(offsets);
        }
        Ok(meant)
    }

    /// The records that a scope means, as they are now.
    async fn offsets(
        &mut self,
        projection: &str,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        scope: Scope,
    ) -> Result<Vec<i64>, Error> {
        sqlx::query_scalar(include_str!("../queries/parked_event_offsets.sql"))
            .bind(projection)
            .bind(topic)
            .bind(partition)
            .bind(key.as_bytes())
            .bind(if scope == Scope::First { Some(1_i64) } else { None })
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("find the records of a parked key", projection))
    }

    async fn parked_in(&mut self, projection: &str, key: &ParkKey) -> Result<Vec<(String, i32)>, Error> {
        let found: Vec<(String, i32, String)> =
            sqlx::query_as(include_str!("../queries/parked_key_find.sql"))
                .bind(projection)
                .bind(key.as_bytes())
                .fetch_all(&mut *self.connection)
                .await
                .map_err(failed("find a parked key", projection))?;
        if found.is_empty() {
            return Err(not_parked(projection, key));
        }
        if let Some((_, _, state)) = found.iter().find(|(_, _, state)| state != "parked") {
            let (projection, key, state) = (projection.into(), key.to_string(), state.clone());
            return Err(Error::Busy { projection, key, state });
        }
        Ok(found.into_iter().map(|(topic, partition, _)| (topic, partition)).collect())
    }

    #[expect(clippy::too_many_arguments, reason = "one statement's columns, called from two places above")]
    async fn request(
        &mut self,
        projection: &str,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        state: &str,
        actor: &str,
        reason: Option<&str>,
        offsets: Option<&[i64]>,
        foreign: Option<bool>,
    ) -> Result<(), Error> {
        let done = sqlx::query(include_str!("../queries/parked_key_request.sql"))
            .bind(projection)
            .bind(topic)
            .bind(partition)
            .bind(key.as_bytes())
            .bind(state)
            .bind(actor)
            .bind(reason)
            .bind(offsets)
            .bind(foreign)
            .execute(&mut *self.connection)
            .await
            .map_err(failed("ask for a parked key", projection))?;
        match done.rows_affected() {
            1 => Ok(()),
            _ => {
                Err(Error::Busy { projection: projection.into(), key: key.to_string(), state: state.into() })
            }
        }
    }
}

fn not_parked(projection: &str, key: &ParkKey) -> Error {
    Error::NotParked { projection: projection.into(), key: key.to_string() }
}

fn failed(action: &'static str, projection: &str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Sql { action, projection: projection.to_owned(), source }
}
