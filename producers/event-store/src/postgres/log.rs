//! The whole store, read as the role `auditor`.

use events::AggregateId;
use sqlx::PgPool;
use sqlx::types::Uuid;

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

/// What the store has of some aggregates, and what it had.
#[derive(Debug, Clone, PartialEq)]
pub struct Histories {
    /// Aggregate by aggregate, in the order of versions.
    pub events: Vec<StoredEvent>,
    /// The same of what left the store.
    pub pruned: Vec<PrunedRange>,
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
    /// Of the aggregates of which something between these positions, the second included, left the store, every range that did.
    pub async fn pruned_between(&self, after: u64, through: u64) -> Result<Vec<PrunedRange>, StoreError> {
        let rows = sqlx::query(include_str!("../../queries/pruned_between.sql"))
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::try_from(through).unwrap_or(i64::MAX))
            .fetch_all(&self.auditor)
            .await;
        rows.doing("list what left the event store")?.iter().map(pruned_range).collect()
    }

    /// The events of some aggregates, each up to a version, and what left the store of these aggregates: all as of one moment.
    pub async fn histories(&self, wanted: &[(AggregateId, u64)]) -> Result<Histories, StoreError> {
        let doing = "read the histories of aggregates";
        let begin = "begin isolation level repeatable read read only";
        let mut reading = self.auditor.begin_with(begin).await.doing(doing)?;
        let ids: Vec<Uuid> = wanted.iter().map(|(id, _)| id.0).collect();
        let through: Vec<i64> =
            wanted.iter().map(|(_, version)| i64::try_from(*version).unwrap_or(i64::MAX)).collect();
        let events = sqlx::query(include_str!("../../queries/histories_read.sql"))
            .bind(&ids)
            .bind(through)
            .fetch_all(&mut *reading)
            .await
            .doing(doing)?;
        let pruned = sqlx::query(include_str!("../../queries/pruned_of.sql"))
            .bind(&ids)
            .fetch_all(&mut *reading)
            .await
            .doing(doing)?;
        reading.rollback().await.doing(doing)?;
        Ok(Histories {
            events: events.iter().map(stored_event).collect::<Result<_, _>>()?,
            pruned: pruned.iter().map(pruned_range).collect::<Result<_, _>>()?,
        })
    }

    /// A reader stands beyond what is said to be settled: that may be so for a moment (an appender announces what it saw of
    /// the sequence a moment ago), but not beyond every event there is or was.
    async fn stood_at(&self, position: u64, settled: u64) -> Result<u64, StoreError> {
        let head = sqlx::query_scalar("select head_position()")
            .fetch_one(&self.auditor)
            .await
            .map(natural)
            .doing("ask for the last position of the event store")?;
        if position > head { Err(StoreError::AheadOfLog { position, settled }) } else { Ok(position) }
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

    async fn pruned(&self) -> Result<Vec<PrunedRange>, StoreError> {
        let rows = sqlx::query(include_str!("../../queries/pruned_list.sql")).fetch_all(&self.auditor).await;
        rows.doing("list what left the event store")?.iter().map(pruned_range).collect()
    }

    async fn read(&self, filter: &Filter, after_position: u64, limit: u32) -> Result<Slice, StoreError> {
        // In this order: what has settled by now is visible to any statement that begins later.
        let settled = match self.settled_position().await? {
            settled if settled < after_position => self.stood_at(after_position, settled).await?,
            settled => settled,
        };
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
        Ok(Slice { events, through: last.unwrap_or(end), settled })
    }

    fn wakeups(&self) -> Wakeups {
        self.wakeups.clone()
    }
}
