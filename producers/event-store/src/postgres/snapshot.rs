//! Snapshots in Postgres.

use chrono::{DateTime, Utc};
use events::{AggregateId, EventId, TenantId};
use snapshots::Sealed;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use sqlx::{PgConnection, PgPool, Row};

use super::faults::Doing;
use super::row::{natural, stored_event};
use super::times::timestamp;
use crate::{FromSnapshot, SnapshotFacts, SnapshotTotals, StoreError};

/// Deletes of one statement: none of them takes long.
const BATCH: i64 = 1_000;

pub(super) async fn load(
    connection: &mut PgConnection,
    tenant: &TenantId,
    aggregate_id: AggregateId,
    shape: u32,
    most: i32,
) -> Result<Vec<PgRow>, sqlx::Error> {
    sqlx::query(include_str!("../../queries/snapshot_read.sql"))
        .bind(tenant.as_str())
        .bind(aggregate_id.0)
        .bind(i64::from(shape))
        .bind(most)
        .fetch_all(connection)
        .await
}

/// Tells the snapshot, if there is one, from the events.
pub(super) fn read(rows: &[PgRow]) -> Result<FromSnapshot, StoreError> {
    let (first, rest) = match rows.split_first() {
        Some((first, rest)) if first.get::<Option<i64>, _>("shape").is_some() => (Some(first), rest),
        _ => (None, rows),
    };
    let snapshot = first.map(sealed).transpose()?;
    Ok(FromSnapshot { snapshot, events: rest.iter().map(stored_event).collect::<Result<_, _>>()? })
}

fn sealed(row: &PgRow) -> Result<Sealed, StoreError> {
    let fits = |column| u32::try_from(row.get::<i64, _>(column)).unwrap_or(u32::MAX); // then it is of no known shape
    let checksum: Vec<u8> = row.get("checksum");
    Ok(Sealed {
        shape: fits("shape"),
        version: natural(row.get("version")),
        event_id: EventId(row.get::<Uuid, _>("event_id")),
        state: row.get("payload"),
        state_bytes: fits("state_bytes"),
        checksum: checksum.try_into().expect("snapshot_checksum_check says 32 bytes"),
    })
}

pub(super) async fn put(
    connection: &mut PgConnection,
    tenant: &TenantId,
    aggregate_id: AggregateId,
    aggregate_type: &str,
    snapshot: &Sealed,
    keep: u16,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(include_str!("../../queries/snapshot_put.sql"))
        .bind(tenant.as_str())
        .bind(aggregate_id.0)
        .bind(aggregate_type)
        .bind(i64::from(snapshot.shape))
        .bind(i64::try_from(snapshot.version).unwrap_or(i64::MAX))
        .bind(snapshot.event_id.0)
        .bind(&snapshot.state)
        .bind(i64::from(snapshot.state_bytes))
        .bind(snapshot.checksum.as_slice())
        .bind(i32::from(keep))
        .fetch_one(connection)
        .await
}

/// Snapshots in Postgres, for whoever keeps house: reads as `auditor` or `owner`, deletes as `owner`.
#[derive(Debug, Clone)]
pub struct SnapshotKeeper {
    pool: PgPool,
}

impl SnapshotKeeper {
    /// Snapshots behind these connections.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The newest snapshots of a tenant, or of one aggregate; at most `limit`.
    pub async fn list(
        &self,
        tenant: Option<&TenantId>,
        aggregate_id: Option<AggregateId>,
        limit: u32,
    ) -> Result<Vec<SnapshotFacts>, StoreError> {
        let rows = sqlx::query(include_str!("../../queries/snapshot_list.sql"))
            .bind(tenant.map(TenantId::as_str))
            .bind(aggregate_id.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await
            .doing("list snapshots")?;
        let facts = |row: &PgRow| SnapshotFacts {
            tenant: row.get("tenant_id"),
            aggregate_id: AggregateId(row.get::<Uuid, _>("aggregate_id")),
            aggregate_type: row.get("aggregate_type"),
            shape: natural(row.get("shape")),
            version: natural(row.get("version")),
            stored_bytes: natural(row.get("stored_bytes")),
            state_bytes: natural(row.get("state_bytes")),
            taken_at: timestamp(row.get::<DateTime<Utc>, _>("taken_at")),
        };
        Ok(rows.iter().map(facts).collect())
    }

    /// How many there are and how much they take, by tenant, kind and shape.
    pub async fn stats(&self, tenant: Option<&TenantId>) -> Result<Vec<SnapshotTotals>, StoreError> {
        let rows = sqlx::query(include_str!("../../queries/snapshot_stats.sql"))
            .bind(tenant.map(TenantId::as_str))
            .fetch_all(&self.pool)
            .await
            .doing("count snapshots")?;
        let totals = |row: &PgRow| SnapshotTotals {
            tenant: row.get("tenant_id"),
            aggregate_type: row.get("aggregate_type"),
            shape: natural(row.get("shape")),
            snapshots: natural(row.get("snapshots")),
            aggregates: natural(row.get("aggregates")),
            stored_bytes: natural(row.get("stored_bytes")),
            state_bytes: natural(row.get("state_bytes")),
            newest: timestamp(row.get::<DateTime<Utc>, _>("newest")),
        };
        Ok(rows.iter().map(totals).collect())
    }

    /// Deletes every snapshot of these aggregates of a tenant, of all of its aggregates where `None` is given; answers how
    /// many. States in the memory of running programs last for their cache's time.
    pub async fn drop(
        &self,
        tenant: &TenantId,
        aggregate_ids: Option<&[AggregateId]>,
    ) -> Result<u64, StoreError> {
        sqlx::query(include_str!("../../queries/snapshot_drop.sql"))
            .bind(tenant.as_str())
            .bind(aggregate_ids.map(|ids| ids.iter().map(|id| id.0).collect::<Vec<_>>()))
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected())
            .doing("drop snapshots")
    }

    /// Deletes all but the newest `keep` snapshots of each aggregate, whatever their shape; answers how many.
    pub async fn clean(&self, keep: u16) -> Result<u64, StoreError> {
        let mut cleaned = 0;
        loop {
            let done = sqlx::query(include_str!("../../queries/snapshot_clean.sql"))
                .bind(i64::from(keep.max(1)))
                .bind(BATCH)
                .execute(&self.pool)
                .await
                .doing("clean up snapshots")?;
            cleaned += done.rows_affected();
            if done.rows_affected() < BATCH.unsigned_abs() {
                return Ok(cleaned);
            }
        }
    }
}
