//! Snapshots as stores and repositories pass them on.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregate::Snapshot;
use events::{AggregateId, DomainEvent, EventId, TenantId, Timestamp};
use snapshots::{Cache, Cached, Ignored, Metrics, OpenError, Policy, Sealed, Since};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{EventStore, StoredEvent};

/// Snapshots that are being written at the same time by one repository; one that is due beyond that is skipped.
const WRITERS_MAX: usize = 4;

/// What a store has of an aggregate from its newest snapshot on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FromSnapshot {
    /// The newest snapshot, of the shape asked for if there is one, else of another, without its state.
    pub snapshot: Option<Sealed>,
    /// The events after it; all of them where there is none of the shape asked for.
    pub events: Vec<StoredEvent>,
}

/// One stored snapshot, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFacts {
    /// Whose it is.
    pub tenant: String,
    /// Of which aggregate.
    pub aggregate_id: AggregateId,
    /// Its kind.
    pub aggregate_type: String,
    /// The state's shape.
    pub shape: u64,
    /// The aggregate's version.
    pub version: u64,
    /// Bytes as stored, compressed.
    pub stored_bytes: u64,
    /// Bytes of the state.
    pub state_bytes: u64,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// The stored snapshots of one tenant, kind and shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotTotals {
    /// Whose they are.
    pub tenant: String,
    /// Of which kind of aggregate.
    pub aggregate_type: String,
    /// The states' shape.
    pub shape: u64,
    /// How many.
    pub snapshots: u64,
    /// Of how many aggregates.
    pub aggregates: u64,
    /// Bytes as stored, compressed.
    pub stored_bytes: u64,
    /// Bytes of the states.
    pub state_bytes: u64,
    /// When the newest was taken.
    pub newest: Timestamp,
}

/// How a repository uses snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// When one is taken.
    pub policy: Policy,
    /// States kept in memory at most.
    pub cached_max: NonZeroUsize,
    /// How long one is kept there. What must be forgotten (an erased person's data) is gone from memory after that.
    pub cached_for: Duration,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            cached_max: NonZeroUsize::new(10_000).expect("it is not zero"),
            cached_for: Duration::from_secs(60),
        }
    }
}

/// Where an aggregate is, and how it got there.
#[derive(Debug, Default)]
pub(crate) struct Current<A> {
    pub(crate) state: A,
    pub(crate) version: u64,
    /// The event at that version; none: nothing has happened.
    pub(crate) event_id: Option<EventId>,
    pub(crate) snapshot_version: u64,
    pub(crate) bytes: u64,
}

/// The snapshots of one repository's aggregates. Whoever knows `A` only as an aggregate reaches them through this trait.
pub(crate) trait Keep<A>: Send + Sync + std::fmt::Debug {
    fn shape(&self) -> u32;
    fn cached(&self, tenant: &TenantId, aggregate_id: AggregateId) -> Option<Current<A>>;
    fn forget(&self, tenant: &TenantId, aggregate_id: AggregateId);
    /// The snapshot's state; `None`, and counted, when it does not count.
    fn open(&self, sealed: &Sealed) -> Option<A>;
    /// Keeps the state in memory, and has it written if that is due. Never waits.
    fn remember(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        current: &mut Current<A>,
        took: Duration,
    );
}

/// Snapshots written to the store itself, in tasks of their own.
#[derive(Debug)]
pub(crate) struct Kept<A, S> {
    store: S,
    policy: Policy,
    cache: Cache<A>,
    metrics: Metrics,
    writers: Arc<Semaphore>,
}

impl<A: Snapshot, S> Kept<A, S> {
    pub(crate) fn new(store: S, config: &SnapshotConfig, metrics: Metrics) -> Self {
        Self {
            store,
            policy: config.policy,
            cache: Cache::new(config.cached_max, config.cached_for),
            metrics,
            writers: Arc::new(Semaphore::new(WRITERS_MAX)),
        }
    }
}

impl<A, S> Keep<A> for Kept<A, S>
where
    A: Snapshot + std::fmt::Debug,
    S: EventStore + Clone + std::fmt::Debug + 'static,
{
    fn shape(&self) -> u32 {
        A::SHAPE
    }

    fn cached(&self, tenant: &TenantId, aggregate_id: AggregateId) -> Option<Current<A>> {
        let cached = self.cache.get(tenant, aggregate_id, Instant::now());
        if cached.is_some() { &self.metrics.hits } else { &self.metrics.misses }.inc();
        let Cached { state, version, event_id, snapshot_version, bytes } = cached?;
        Some(Current { state, version, event_id: Some(event_id), snapshot_version, bytes })
    }

    fn forget(&self, tenant: &TenantId, aggregate_id: AggregateId) {
        self.cache.drop(tenant, aggregate_id);
    }

    fn open(&self, sealed: &Sealed) -> Option<A> {
        match sealed.open() {
            Ok(state) => {
                self.metrics.used.inc();
                Some(state)
            }
            Err(OpenError::OtherShape { .. }) => {
                self.metrics.ignored(Ignored::Shape).inc();
                None
            }
            Err(OpenError::Checksum | OpenError::Unreadable(_)) => {
                self.metrics.ignored(Ignored::Corrupt).inc();
                None
            }
        }
    }

    fn remember(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        current: &mut Current<A>,
        took: Duration,
    ) {
        let (Some(event_id), version) = (current.event_id, current.version) else { return };
        let events = version.saturating_sub(current.snapshot_version);
        if self.policy.is_due(Since { events, bytes: current.bytes, took }) {
            match self.writers.clone().try_acquire_owned() {
                Ok(permit) => {
                    tokio::spawn(self.write(
                        tenant.clone(),
                        aggregate_id,
                        current.state.clone(),
                        version,
                        event_id,
                        permit,
                    ));
                    (current.snapshot_version, current.bytes) = (version, 0);
                }
                Err(_) => self.metrics.skipped.inc(),
            }
        }
        let Current { snapshot_version, bytes, .. } = *current;
        let cached = Cached { state: current.state.clone(), version, event_id, snapshot_version, bytes };
        self.cache.put(tenant, aggregate_id, cached, Instant::now());
    }
}

impl<A, S> Kept<A, S>
where
    A: Snapshot,
    S: EventStore + Clone + 'static,
{
    /// Seals and writes a snapshot; what goes wrong is counted, and nobody's command fails for it.
    fn write(
        &self,
        tenant: TenantId,
        aggregate_id: AggregateId,
        state: A,
        version: u64,
        event_id: EventId,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + use<A, S> {
        let (store, keep, metrics) = (self.store.clone(), self.policy.keep, self.metrics.clone());
        async move {
            let written = match Sealed::seal(&state, version, event_id) {
                Ok(sealed) => {
                    let kind = A::Event::AGGREGATE_TYPE;
                    store.put_snapshot(&tenant, aggregate_id, kind, &sealed, keep).await.unwrap_or(false)
                }
                Err(_) => false,
            };
            if written { &metrics.written } else { &metrics.failed }.inc();
            drop(permit);
        }
    }
}
