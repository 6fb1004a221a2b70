//! The whole store, read as the role `auditor`.

use sqlx::PgPool;

use super::faults::Doing;
use super::row::{natural, stored_event};
use crate::{EventLog, StoreError, StoredEvent};

/// The whole store in Postgres, across tenants, for reading.
#[derive(Debug, Clone)]
pub struct PgEventLog {
    auditor: PgPool,
}

impl PgEventLog {
    /// The store behind these connections, made by [`crate::AuditConfig::connect`].
    pub fn new(auditor: PgPool) -> Self {
        Self { auditor }
    }
}

impl EventLog for PgEventLog {
    async fn settled_position(&self) -> Result<u64, StoreError> {
        sqlx::query_scalar("select settled_position()")
            .fetch_one(&self.auditor)
            .await
            .map(natural)
            .doing("ask up to where the event store has settled")
    }

    async fn read_all(&self, after_position: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        // In this order: what has settled by now is visible to any statement that begins later.
        let settled = self.settled_position().await?;
        let rows = sqlx::query(include_str!("../../queries/event_store_read.sql"))
            .bind(i64::try_from(after_position).unwrap_or(i64::MAX))
            .bind(i64::try_from(settled).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&self.auditor)
            .await
            .doing("read the event store")?;
        rows.iter().map(stored_event).collect()
    }
}
