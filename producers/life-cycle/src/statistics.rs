//! How much the store holds, how fast it grows, and what lags behind it.

use serde::{Deserialize, Serialize};
use sqlx::types::{Json, Uuid};

use crate::error::Doing;
use crate::{Error, Steward};

/// What is true of a store. Counting reads all of it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Events in the store.
    pub events: i64,
    /// Their payloads, in bytes.
    pub bytes: i64,
    /// Events stored within the last hour.
    pub recorded_last_hour: i64,
    /// Events stored within the last 24 hours.
    pub recorded_last_day: i64,
    /// Events stored within the last seven days.
    pub recorded_last_week: i64,
    /// How much each tenant has of each aggregate type.
    pub by_tenant_and_type: Vec<Kept>,
    /// The ten streams with the most events.
    pub largest_streams: Vec<StreamSize>,
    /// What the tables take on disk, the largest first; partitions are counted with their table.
    pub tables: Vec<TableSize>,
    /// What left the store and did not come back.
    pub pruned: Vec<Left>,
    /// Keys of data subjects.
    pub subject_keys: Keys,
    /// How appending goes on.
    pub appends: Appends,
}

/// What a tenant has of one aggregate type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Whose.
    pub tenant: String,
    /// Of which type.
    pub aggregate_type: String,
    /// Events.
    pub events: i64,
    /// Streams.
    pub streams: i64,
    /// Payloads, in bytes.
    pub bytes: i64,
}

/// How long a stream is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSize {
    /// Whose.
    pub tenant: String,
    /// Which.
    pub aggregate_id: Uuid,
    /// Its type.
    pub aggregate_type: String,
    /// Events.
    pub events: i64,
    /// Payloads, in bytes.
    pub bytes: i64,
}

/// What a table takes on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// The rows, in bytes.
    pub table_bytes: i64,
    /// Its indexes, in bytes.
    pub index_bytes: i64,
    /// Rows that are gone and not vacuumed yet, as Postgres estimates: many of them bloat table and indexes.
    pub dead_rows: i64,
}

/// What left the store for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Why.
    pub reason: String,
    /// Ranges of versions.
    pub ranges: i64,
    /// Events.
    pub events: i64,
}

/// Keys of data subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Keys that open something.
    pub live: i64,
    /// Keys whose subjects are erased.
    pub destroyed: i64,
    /// The master keys that wrap the live ones.
    pub masters: Vec<String>,
}

/// How appending goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appends {
    /// The last position that was taken.
    pub last_position: i64,
    /// The position up to which the store will never change.
    pub settled_position: i64,
    /// Transactions that have appended and not ended.
    pub open_appenders: i64,
    /// Days after today for which the outbox has a partition.
    pub outbox_days_ahead: i64,
    /// Log that the outbox's slot has not confirmed, in bytes; nothing if this database has no slot.
    pub slot_lag_bytes: Option<i64>,
}

impl Steward {
    /// Counts what the store holds.
    pub async fn statistics(&self) -> Result<Statistics, Error> {
        sqlx::query_scalar(include_str!("../queries/statistics.sql"))
            .bind(outbox::SLOT)
            .fetch_one(&self.auditor)
            .await
            .map(|Json(statistics)| statistics)
            .doing("count what the store holds")
    }
}
