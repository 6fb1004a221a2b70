//! From stored events to a state: whole, since a snapshot, or since it was seen last.

use std::time::{Duration, Instant};

use aggregate::{Aggregate, Snapshot};
use events::{AggregateId, DomainEvent, TenantId};
use snapshots::{SealError, Sealed};

use super::Repository;
use crate::snapshot::{Current, sealed};
use crate::{Append, CodecError, EventStore, FromSnapshot, StoreError, StoredEvent, Until};

/// Why an aggregate's state is not known.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Its events were not loaded.
    #[error("the aggregate's events were not loaded")]
    Load(#[source] StoreError),
    /// One of its events cannot be read.
    #[error(transparent)]
    Decode(#[from] CodecError),
}

/// Why no snapshot was taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The state is not known.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state cannot become a snapshot.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It was not kept.
    #[error("the snapshot was not kept")]
    Store(#[source] StoreError),
}

impl<A: Aggregate, S: EventStore> Repository<A, S>
where
    A::Rejection: 'static,
{
    /// The aggregate as it was then, and at which version; version 0 is the state before the first event.
    pub async fn state(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        until: Until,
    ) -> Result<(A, u64), StateError> {
        if until == Until::Now {
            let Current { state, version, .. } = self.current(tenant, aggregate_id).await?;
            return Ok((state, version));
        }
        let past = self.store.load_until(tenant, aggregate_id, 0, until).await.map_err(StateError::Load)?;
        let Current { state, version, .. } = self.fold(Current::default(), past).await?;
        Ok((state, version))
    }

    /// The aggregate as it is now, from where it was seen last.
    pub(super) async fn current(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
    ) -> Result<Current<A>, StateError> {
        let begun = Instant::now();
        let mut current = match self.remembered(tenant, aggregate_id).await? {
            Some(current) => current,
            None => self.since_snapshot(tenant, aggregate_id).await?,
        };
        if let Some(kept) = &self.snapshots {
            kept.remember(tenant, aggregate_id, &mut current, begun.elapsed());
        }
        Ok(current)
    }

    /// What is in memory, with what came after it. It counts only while its last event is still where it was: that one
    /// is loaded again, so that no state outlives its history.
    pub(super) async fn remembered(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
    ) -> Result<Option<Current<A>>, StateError> {
        let Some(kept) = &self.snapshots else { return Ok(None) };
        let Some(current) = kept.cached(tenant, aggregate_id) else { return Ok(None) };
        let mut events = match self.store.load(tenant, aggregate_id, current.version - 1).await {
            Ok(events) => events.into_iter(),
            Err(StoreError::Archived { .. }) => vec![].into_iter(),
            Err(error) => return Err(StateError::Load(error)),
        };
        let last = events.next().map(|event| (event.version, Some(event.event_id)));
        if last == Some((current.version, current.event_id)) {
            return Ok(Some(self.fold(current, events.collect()).await?));
        }
        kept.forget(tenant, aggregate_id);
        Ok(None)
    }

    /// The newest snapshot that counts, or the state before the first event, with what came after it.
    pub(super) async fn since_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
    ) -> Result<Current<A>, StateError> {
        let read_at = Some(Instant::now());
        Ok(Current { read_at, ..self.read(tenant, aggregate_id).await? })
    }

    pub(super) async fn read(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
    ) -> Result<Current<A>, StateError> {
        let load = async || self.store.load(tenant, aggregate_id, 0).await.map_err(StateError::Load);
        let Some(kept) = &self.snapshots else { return self.fold(Current::default(), load().await?).await };
        let found = self.store.load_from_snapshot(tenant, aggregate_id, kept.shape()).await;
        let FromSnapshot { snapshot, events } = found.map_err(StateError::Load)?;
        let Some(sealed) = snapshot else { return self.fold(Current::default(), events).await };
        match kept.open(tenant, aggregate_id, &sealed).await? {
            Some(state) => {
                let (version, event_id) = (sealed.version, Some(sealed.event_id));
                let snapshot_version = version;
                let current = Current { state, version, event_id, snapshot_version, ..Current::default() };
                self.fold(current, events).await
            }
            // Of another shape: then these are all events.
            None if sealed.shape != kept.shape() => self.fold(Current::default(), events).await,
            None => self.fold(Current::default(), load().await?).await,
        }
    }

    /// Keeps the state that these events led to.
    pub(super) fn appended(
        &self,
        tenant: &TenantId,
        current: Current<A>,
        append: &Append,
        events: &[A::Event],
        version: u64,
    ) {
        let Some(kept) = &self.snapshots else { return };
        let Some(last) = append.events.last() else { return };
        let bytes: usize = append.events.iter().map(|event| event.payload.len()).sum();
        let mut current = Current {
            state: events.iter().fold(current.state, A::evolve),
            version,
            event_id: Some(last.event_id),
            snapshot_version: current.snapshot_version,
            bytes: current.bytes + bytes as u64,
            read_at: current.read_at,
        };
        kept.remember(tenant, append.aggregate_id, &mut current, Duration::ZERO);
    }

    /// Takes a snapshot of the aggregate as it is now and waits until it is kept, with the newest `keep` of its shape.
    /// `None`: nothing has happened to it, or the store keeps no snapshots.
    pub async fn take_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        keep: u16,
    ) -> Result<Option<Sealed>, SnapshotError>
    where
        A: Snapshot,
    {
        let sealed = sealed::<A, S>(&self.store, &self.codec, tenant, aggregate_id).await?;
        let Some(sealed) = sealed else { return Ok(None) };
        let kind = A::Event::AGGREGATE_TYPE;
        let kept = self.store.put_snapshot(tenant, aggregate_id, kind, &sealed, keep).await;
        Ok(kept.map_err(SnapshotError::Store)?.then_some(sealed))
    }

    pub(super) async fn fold(
        &self,
        mut current: Current<A>,
        events: Vec<StoredEvent>,
    ) -> Result<Current<A>, StateError> {
        for stored in events {
            current.bytes += stored.payload.len() as u64;
            let recorded = self.codec.recorded(stored).await?;
            current.state = current.state.evolve(&recorded.payload);
            (current.version, current.event_id) = (recorded.version, Some(recorded.event_id));
        }
        Ok(current)
    }
}
