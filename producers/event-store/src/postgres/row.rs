//! From rows to events.

use chrono::{DateTime, Utc};
use events::{AggregateId, EventId, TenantId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Row, types::Uuid};

use super::times::timestamp;
use crate::{StoreError, StoredEvent};

/// A number that the database keeps from being negative.
pub(super) fn natural(number: i64) -> u64 {
    u64::try_from(number).expect("positions, versions and transaction ids are never negative")
}

/// Reads a row of `event_store`.
pub(super) fn stored_event(row: &PgRow) -> Result<StoredEvent, StoreError> {
    read(row, row.get("position"), row.get("tenant_id"))
}

/// Reads an event between expected and actual version out of an answer to an append.
pub(super) fn event_between(row: &PgRow, tenant: &TenantId) -> Result<StoredEvent, StoreError> {
    read(row, row.get("first_position"), tenant.as_str().to_owned())
}

fn read(row: &PgRow, position: i64, tenant: String) -> Result<StoredEvent, StoreError> {
    let unreadable = |reason: String| StoreError::Unreadable { position, reason };
    let Json(metadata) = row.try_get("metadata").map_err(|e| unreadable(e.to_string()))?;
    Ok(StoredEvent {
        position: natural(position),
        tenant: TenantId::try_from(tenant).map_err(|e| unreadable(e.to_string()))?,
        aggregate_id: AggregateId(row.get::<Uuid, _>("aggregate_id")),
        aggregate_type: row.get("aggregate_type"),
        version: natural(row.get("version")),
        event_id: EventId(row.get::<Uuid, _>("event_id")),
        event_type: row.get("event_type"),
        payload: row.get("payload"),
        metadata,
        occurred_at: timestamp(row.get::<DateTime<Utc>, _>("occurred_at")),
        recorded_at: timestamp(row.get::<DateTime<Utc>, _>("recorded_at")),
        transaction_id: natural(row.get("transaction_id")),
    })
}
