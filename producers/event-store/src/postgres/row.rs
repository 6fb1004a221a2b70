//! From rows to events.

use chrono::{DateTime, Utc};
use events::{AggregateId, EventId, InvalidSum, TenantId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Row, types::Uuid};

use super::times::timestamp;
use crate::{PrunedRange, StoreError, StoredEvent};

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

/// Reads a row of `pruned`.
pub(super) fn pruned_range(row: &PgRow) -> Result<PrunedRange, StoreError> {
    let aggregate_id = AggregateId(row.get::<Uuid, _>("aggregate_id"));
    let unreadable = |reason: String| StoreError::UnreadableRange { aggregate_id, reason };
    Ok(PrunedRange {
        tenant: TenantId::try_from(row.get::<String, _>("tenant_id"))
            .map_err(|e| unreadable(e.to_string()))?,
        aggregate_id,
        aggregate_type: row.get("aggregate_type"),
        from_version: natural(row.get("from_version")),
        to_version: natural(row.get("to_version")),
        reason: row.get("reason"),
        last_position: natural(row.get("last_position")),
        digest: row.get::<&str, _>("digest").parse().map_err(|e: InvalidSum| unreadable(e.to_string()))?,
    })
}
