//! The whole store, read as the role `auditor`.

use sqlx::PgPool;

use super::faults::Doing;
use super::row::{natural, pruned_range, stored_event};
use super::times::datetime;
use super::wake::listen;
use crate::{EventLog, Filter, PrunedRange, Slice, StoreError, StoredEvent, Wakeups};

/// Positions that one statement looks at for each event it may answer, where a filter leaves some out: a rare event is
/// looked for in several statements rather than in one that takes minutes.
const LOOKED_AT: u64 = 64;

/// The whole store in Postgres, across tenants, for reading.
#[derive(Debug, Clone)]
pub struct PgEventLog {
    auditor: PgPool,
    wakeups: Wakeups,
}

impl PgEventLog {
    /// The store behind these connections, made by [`crate::AuditConfig::connect`]. Whoever follows it looks again and
    /// again.
    pub fn new(auditor: PgPool) -> Self {
        Self { auditor, wakeups: Wakeups::none() }
    }

    /// The same, listening on one more of these connections for stores that tell of their appends
    /// ([`crate::PgEventStore::telling`]).
    pub fn listening(auditor: PgPool) -> Self {
        let wakeups = listen(auditor.clone());
        Self { auditor, wakeups }
    }
}

impl PgEventLog {
    /// What left the store, of all tenants, by aggregate and version.
    pub async fn pruned(&self) -> Result<Vec<PrunedRange>, StoreError> {
        let rows = sqlx::query(include_str!("../../queries/pruned_list.sql")).fetch_all(&self.auditor).await;
        rows.doing("list what left the event store")?.iter().map(pruned_range).collect()
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

    async fn read(&self, filter: &Filter, after_position: u64, limit: u32) -> Result<Slice, StoreError> {
        // In this order: what has settled by now is visible to any statement that begins later.
        let settled = self.settled_position().await?;
        let end = match filter.is_all() {
            true => settled,
            false => settled.min(after_position.saturating_add(LOOKED_AT * u64::from(limit))),
        };
        let rows = sqlx::query(include_str!("../../queries/event_store_read.sql"))
            .bind(i64::try_from(after_position).unwrap_or(i64::MAX))
            .bind(i64::try_from(end).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .bind(filter.tenant.as_ref().map(|tenant| tenant.as_str()))
            .bind(&filter.aggregate_types)
            .bind(&filter.event_types)
            .bind(filter.occurred_from.map(datetime))
            .bind(filter.occurred_before.map(datetime))
            .fetch_all(&self.auditor)
            .await
            .doing("read the event store")?;
        let events: Vec<StoredEvent> = rows.iter().map(stored_event).collect::<Result<_, _>>()?;
        let full = events.len() as u64 == u64::from(limit);
        let last = events.last().filter(|_| full).map(|last| last.position);
        Ok(Slice { events, through: last.unwrap_or(end.max(after_position)), settled })
    }

    fn wakeups(&self) -> Wakeups {
        self.wakeups.clone()
    }
}
