//! What a store of events can do.

use events::{AggregateId, TenantId, Timestamp};

use crate::{Append, AppendError, Appended, Filter, IdempotencyKey, Slice, StoreError, StoredEvent, Wakeups};

/// How much of an aggregate's history is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All of it.
    Now,
    /// Up to this version.
    Version(u64),
    /// What had happened by then: up to the last event that had, and all before it.
    Occurred(Timestamp),
    /// What the store knew by then.
    Recorded(Timestamp),
    /// Up to this place in the whole store.
    Position(u64),
}

/// A store of events. The crate's documentation says what every store promises.
pub trait EventStore: Send + Sync {
    /// Appends to one or several aggregates of a tenant: all of it, or nothing.
    fn append(
        &self,
        tenant: &TenantId,
        appends: &[Append],
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send {
        self.append_keyed(tenant, appends, None)
    }

    /// The same as part of the command of this key. If the key has its answer already, that is the answer, whatever the
    /// aggregates have become since; copies that come while the first is under way wait for it.
    fn append_keyed(
        &self,
        tenant: &TenantId,
        appends: &[Append],
        key: Option<&IdempotencyKey>,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// The answer that the command of this key already has: to be asked before a command is refused for any other reason,
    /// since the first copy may have made that reason.
    fn answered(
        &self,
        tenant: &TenantId,
        key: &IdempotencyKey,
    ) -> impl Future<Output = Result<Option<Appended>, AppendError>> + Send;

    /// An aggregate's events with versions above `after_version`, in order.
    fn load(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        after_version: u64,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, StoreError>> + Send {
        self.load_until(tenant, aggregate_id, after_version, Until::Now)
    }

    /// An aggregate's events with versions above `after_version` up to a version or a moment, in order.
    /// Where the aggregate was withdrawn and what it had before was pruned, they begin with the withdrawal, which takes
    /// the state back to the beginning.
    fn load_until(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        after_version: u64,
        until: Until,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, StoreError>> + Send;
}

/// The whole store across tenants, for those who rebuild, verify and archive.
pub trait EventLog: Send + Sync {
    /// Up to this position the store will never change: every event there is visible, every gap stays one.
    fn settled_position(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The next wanted events after a position, by position, at most `limit`; never beyond the settled position, so
    /// whoever continues from [`Slice::through`] misses nothing. Without events and with `through` at `settled`: nothing
    /// more has settled yet.
    fn read(
        &self,
        filter: &Filter,
        after_position: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Slice, StoreError>> + Send;

    /// The next events after a position, whatever they are. None: nothing more has settled yet.
    fn read_all(
        &self,
        after_position: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, StoreError>> + Send {
        async move { Ok(self.read(&Filter::default(), after_position, limit).await?.events) }
    }

    /// What tells a reader who has read all that there may be more.
    fn wakeups(&self) -> Wakeups;
}

impl<L: EventLog> EventLog for &L {
    async fn settled_position(&self) -> Result<u64, StoreError> {
        L::settled_position(self).await
    }

    async fn read(&self, filter: &Filter, after_position: u64, limit: u32) -> Result<Slice, StoreError> {
        L::read(self, filter, after_position, limit).await
    }

    fn wakeups(&self) -> Wakeups {
        L::wakeups(self)
    }
}
