//! What a store of events can do.

use std::sync::Arc;

use events::{AggregateId, TenantId, Timestamp};
use snapshots::Sealed;

use crate::{
    Append, AppendError, Appended, Filter, FromSnapshot, IdempotencyKey, PrunedRange, Slice, StoreError,
    StoredEvent, Wakeups,
};

/// How much of an aggregate's history is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All of it.
    Now,
    /// Up to this version.
    Version(u64),
    /// What had happened by then: up to the last event that had, and all before it.
    Occurred(Timestamp),
    /// What the store knew by then: up to the last event that it had written by its clock, and all before it.
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
    /// the state back to the beginning; whoever asks for something before it gets [`StoreError::Withdrawn`].
    fn load_until(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        after_version: u64,
        until: Until,
    ) -> impl Future<Output = Result<Vec<StoredEvent>, StoreError>> + Send;

    /// An aggregate's newest snapshot of this shape and the events after it. A store that keeps no snapshots answers all
    /// events.
    fn load_from_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        _shape: u32,
    ) -> impl Future<Output = Result<FromSnapshot, StoreError>> + Send {
        async move { Ok(FromSnapshot { snapshot: None, events: self.load(tenant, aggregate_id, 0).await? }) }
    }

    /// Keeps a snapshot, and the newest `keep` of its shape. `false`: it keeps none, or has no such event.
    fn put_snapshot(
        &self,
        _tenant: &TenantId,
        _aggregate_id: AggregateId,
        _aggregate_type: &str,
        _snapshot: &Sealed,
        _keep: u16,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        std::future::ready(Ok(false))
    }
}

impl<S: EventStore> EventStore for Arc<S> {
    async fn append_keyed(
        &self,
        tenant: &TenantId,
        appends: &[Append],
        key: Option<&IdempotencyKey>,
    ) -> Result<Appended, AppendError> {
        S::append_keyed(self, tenant, appends, key).await
    }

    async fn answered(
        &self,
        tenant: &TenantId,
        key: &IdempotencyKey,
    ) -> Result<Option<Appended>, AppendError> {
        S::answered(self, tenant, key).await
    }

    async fn load_until(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        after_version: u64,
        until: Until,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        S::load_until(self, tenant, aggregate_id, after_version, until).await
    }

    async fn load_from_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        shape: u32,
    ) -> Result<FromSnapshot, StoreError> {
        S::load_from_snapshot(self, tenant, aggregate_id, shape).await
    }

    async fn put_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        aggregate_type: &str,
        snapshot: &Sealed,
        keep: u16,
    ) -> Result<bool, StoreError> {
        S::put_snapshot(self, tenant, aggregate_id, aggregate_type, snapshot, keep).await
    }
}

/// The whole store across tenants, for those who rebuild, verify and archive.
pub trait EventLog: Send + Sync {
    /// Up to this position the log is settled: every event there is visible, and no append adds one. A gap there stays
    /// one, unless archived events come back to their old places: whoever passed them had them before they left, or
    /// began after that and does not see them come back (replay, or read the stream).
    ///
    /// It may be answered lower than a moment before, but never so that something new appears below what it was. A gap at
    /// the very end, left by an append that was rolled back, is passed once an event is stored behind it.
    fn settled_position(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The next wanted events after a position, by position, at most `limit`; never beyond the settled position, so
    /// whoever continues from [`Slice::through`] misses nothing. Without events and with `through` at `settled`: nothing
    /// more has settled yet. A position that the log has never reached is [`StoreError::AheadOfLog`].
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

    /// What left the store and did not come back, of all tenants, by aggregate and version.
    fn pruned(&self) -> impl Future<Output = Result<Vec<PrunedRange>, StoreError>> + Send;

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

    async fn pruned(&self) -> Result<Vec<PrunedRange>, StoreError> {
        L::pruned(self).await
    }

    fn wakeups(&self) -> Wakeups {
        L::wakeups(self)
    }
}

impl<L: EventLog> EventLog for Arc<L> {
    async fn settled_position(&self) -> Result<u64, StoreError> {
        L::settled_position(self).await
    }

    async fn read(&self, filter: &Filter, after_position: u64, limit: u32) -> Result<Slice, StoreError> {
        L::read(self, filter, after_position, limit).await
    }

    async fn pruned(&self) -> Result<Vec<PrunedRange>, StoreError> {
        L::pruned(self).await
    }

    fn wakeups(&self) -> Wakeups {
        L::wakeups(self)
    }
}
