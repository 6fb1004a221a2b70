//! What operators see.

use chrono::{DateTime, Utc};
use events::{AggregateId, EventId};
use kafka::{Headers, Hints, ParkKey, ParkedRecord, Record, RowKey};
use serde::{Serialize, Serializer};
use sqlx::FromRow;
use uuid::Uuid;

use crate::headers;

/// A parked key at a glance.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct KeyShown {
    /// Whose it is.
    pub projection: String,
    /// Where its records lay.
    pub topic: String,
    /// And in which partition.
    pub partition: i32,
    /// The key's bytes; show them with [`ParkKey`]'s `Display`.
    #[serde(serialize_with = "as_shown")]
    pub key: Vec<u8>,
    /// Whose data, if that could be told.
    #[serde(rename = "tenant")]
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
    #[serde(rename = "records")]
    pub events: i64,
    /// What kind of event blocks it, if that could be told.
    pub event_type: Option<String>,
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
    pub fn headers(&self) -> Headers {
        headers::join(&self.header_names, &self.header_values)
    }

    /// The record, as its owner would read it back.
    pub fn parked(&self) -> ParkedRecord {
        ParkedRecord {
            record: Record {
                topic: self.topic.as_str().into(),
                partition: self.partition,
                offset: self.record_offset,
                timestamp_ms: self.timestamp_ms,
                key: self.record_key.clone(),
                payload: self.payload.clone(),
                headers: self.headers(),
            },
            hints: Hints {
                tenant: self.tenant_id.as_deref().and_then(|tenant| tenant.parse().ok()),
                aggregate_id: self.aggregate_id.map(AggregateId),
                version: self.version.map(i64::unsigned_abs),
                event_id: self.event_id.map(EventId),
                event_type: self.event_type.clone(),
            },
        }
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

impl DecisionShown {
    /// Whose version has no effect, and which, unless the record is foreign.
    pub(crate) fn event(&self) -> Option<(RowKey, u64)> {
        let tenant = self.tenant_id.as_deref()?.parse().ok()?;
        let aggregate_id = AggregateId(self.aggregate_id?);
        Some((RowKey { tenant, aggregate_id }, self.version?.unsigned_abs()))
    }
}

/// Parked keys of one cause.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct CauseShown {
    /// Whose they are.
    pub projection: String,
    /// Why they are parked, in one word.
    pub reason: String,
    /// What kind of event blocks them, if that could be told.
    pub event_type: Option<String>,
    /// Why they are parked, with `<id>` and `<n>` for what differs between keys.
    pub cause: String,
    /// How many keys.
    pub keys: i64,
    /// How many records wait.
    #[serde(rename = "records")]
    pub events: i64,
    /// Data of how many tenants.
    pub tenants: i64,
    /// The first ten of them by name.
    pub some_tenants: Vec<String>,
    /// When the first of the keys parked.
    pub first_at: DateTime<Utc>,
    /// When the last of them did.
    pub last_at: DateTime<Utc>,
    /// The key that is parked longest.
    #[serde(serialize_with = "as_shown")]
    pub example: Vec<u8>,
}

/// What was asked for, and what came of it so far.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct RequestShown {
    /// Its number.
    pub id: i64,
    /// On whose keys.
    pub projection: String,
    /// `redrive`, `discard` or `repair`.
    pub action: String,
    /// Which keys were meant, as it was said.
    pub filter: serde_json::Value,
    /// Why, where that was asked.
    pub reason: Option<String>,
    /// Who asked.
    pub actor: String,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// How many keys that came to.
    pub keys: i64,
    /// Keys whose owner is still to be asked.
    pub to_ask: i64,
    /// Keys whose owner was asked and has not answered.
    pub open: i64,
    /// Keys that are parked no more.
    pub done: i64,
    /// Keys that stopped at a record and stay parked.
    pub failed: i64,
    /// Keys that were not parked any more, or asked for by somebody else, when their turn came.
    pub passed_over: i64,
    /// When the last answer came.
    pub settled_at: Option<DateTime<Utc>>,
}

impl RequestShown {
    /// Whether nobody has anything left to do for it.
    pub fn is_over(&self) -> bool {
        self.to_ask == 0 && self.open == 0
    }
}

/// One key of a request.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct RequestKeyShown {
    /// Where its records lay.
    pub topic: String,
    /// And in which partition.
    pub partition: i32,
    /// The key's bytes.
    #[serde(serialize_with = "as_shown")]
    pub key: Vec<u8>,
    /// Whose data, if that could be told.
    #[serde(rename = "tenant")]
    pub tenant_id: Option<String>,
    /// When its owner was asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
    /// `done`, `failed` or `passed_over`; `None` while it is open.
    pub outcome: Option<String>,
    /// Where it failed: why, in one word.
    pub reason: Option<String>,
    /// Where it failed: why.
    pub message: Option<String>,
}

impl RequestKeyShown {
    /// The key, ready to be shown.
    pub fn key(&self) -> ParkKey {
        ParkKey::from_stored(self.key.clone())
    }
}

#[expect(clippy::ptr_arg, reason = "serde hands over the field")]
fn as_shown<S: Serializer>(key: &Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&ParkKey::from_stored(key.clone()))
}
