//! Snapshots as stores and repositories pass them on.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregate::{Aggregate, Snapshot};
use events::{AggregateId, DomainEvent, EventId, TenantId, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use personal_data::SEALED;
use snapshots::{Cache, Cached, Ignored, Metrics, OpenError, Policy, Sealed, Since};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Codec, CodecError, EventStore, SnapshotError, StateError, StoredEvent};

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
    /// How long one is kept there after its events were read. What must be forgotten (an erased person's data) is gone
    /// from memory after that, and the time that a keyring uses a key without asking.
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
    /// When its history was read.
    pub(crate) read_at: Option<Instant>,
}

/// The snapshots of one repository's aggregates. Whoever knows `A` only as an aggregate reaches them through this trait.
pub(crate) trait Keep<A>: Send + Sync + std::fmt::Debug {
    fn shape(&self) -> u32;
    fn cached(&self, tenant: &TenantId, aggregate_id: AggregateId) -> Option<Current<A>>;
    fn forget(&self, tenant: &TenantId, aggregate_id: AggregateId);
    /// The snapshot's state, its personal texts opened; `None`, and counted, when it does not count.
    fn open<'a>(
        &'a self,
        tenant: &'a TenantId,
        aggregate_id: AggregateId,
        sealed: &'a Sealed,
    ) -> BoxFuture<'a, Result<Option<A>, CodecError>>;
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
pub(crate) struct Kept<A: Aggregate, S> {
    store: S,
    codec: Arc<Codec<A::Event>>,
    policy: Policy,
    cache: Cache<A>,
    metrics: Metrics,
    writers: Arc<Semaphore>,
}

impl<A: Snapshot, S> Kept<A, S> {
    pub(crate) fn new(
        store: S,
        codec: Arc<Codec<A::Event>>,
        config: &SnapshotConfig,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            codec,
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
        let Cached { state, version, event_id, snapshot_version, bytes, read_at } = cached?;
        let (event_id, read_at) = (Some(event_id), Some(read_at));
        Some(Current { state, version, event_id, snapshot_version, bytes, read_at })
    }

    fn forget(&self, tenant: &TenantId, aggregate_id: AggregateId) {
        self.cache.drop(tenant, aggregate_id);
    }

    fn open<'a>(
        &'a self,
        tenant: &'a TenantId,
        aggregate_id: AggregateId,
        sealed: &'a Sealed,
    ) -> BoxFuture<'a, Result<Option<A>, CodecError>> {
        async move {
            match self.try_open(tenant, aggregate_id, sealed).await {
                Ok(state) => {
                    self.metrics.used.inc();
                    Ok(Some(state))
                }
                Err(Unopened::Snapshot(OpenError::OtherShape { .. })) => {
                    self.metrics.ignored(Ignored::Shape).inc();
                    Ok(None)
                }
                Err(Unopened::Text(source)) if source.is_transient() => {
                    let Sealed { event_id, version, .. } = *sealed;
                    Err(CodecError::Open { event_id, version, source })
                }
                Err(Unopened::Snapshot(_) | Unopened::Text(_)) => {
                    self.metrics.ignored(Ignored::Corrupt).inc();
                    Ok(None)
                }
            }
        }
        .boxed()
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
                    tokio::spawn(self.write(tenant.clone(), aggregate_id, permit));
                    (current.snapshot_version, current.bytes) = (version, 0);
                }
                Err(_) => self.metrics.skipped.inc(),
            }
        }
        let Current { snapshot_version, bytes, .. } = *current;
        let (state, read_at) = (current.state.clone(), *current.read_at.get_or_insert_with(Instant::now));
        let cached = Cached { state, version, event_id, snapshot_version, bytes, read_at };
        self.cache.put(tenant, aggregate_id, cached);
    }
}

impl<A, S> Kept<A, S>
where
    A: Snapshot,
    S: EventStore + Clone + 'static,
{
    async fn try_open(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        sealed: &Sealed,
    ) -> Result<A, Unopened> {
        let json = sealed.unpack::<A>().map_err(Unopened::Snapshot)?;
        let unreadable = |error: serde_json::Error| OpenError::Unreadable(error.to_string());
        if !json.windows(SEALED.len()).any(|window| window == SEALED.as_bytes()) {
            return serde_json::from_slice(&json).map_err(unreadable).map_err(Unopened::Snapshot);
        }
        let mut state = serde_json::from_slice(&json).map_err(unreadable).map_err(Unopened::Snapshot)?;
        self.codec.open_state(tenant, aggregate_id, &mut state).await.map_err(Unopened::Text)?;
        serde_json::from_value(state).map_err(unreadable).map_err(Unopened::Snapshot)
    }

    /// Seals and writes a snapshot of the aggregate as it is stored; what goes wrong is counted, and nobody's command
    /// fails for it.
    fn write(
        &self,
        tenant: TenantId,
        aggregate_id: AggregateId,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + use<A, S> {
        let (store, codec) = (self.store.clone(), self.codec.clone());
        let (keep, metrics) = (self.policy.keep, self.metrics.clone());
        async move {
            let written = match sealed::<A, S>(&store, &codec, &tenant, aggregate_id).await {
                Ok(Some(sealed)) => {
                    let kind = A::Event::AGGREGATE_TYPE;
                    store.put_snapshot(&tenant, aggregate_id, kind, &sealed, keep).await.unwrap_or(false)
                }
                Ok(None) | Err(_) => false,
            };
            if written { &metrics.written } else { &metrics.failed }.inc();
            drop(permit);
        }
    }
}

/// Why a snapshot's state is not to be had.
enum Unopened {
    Snapshot(OpenError),
    Text(personal_data::Error),
}

/// A snapshot of the aggregate as it is stored now, folded from the last one and what came after it. Its personal texts
/// stay sealed: nothing that a destroyed key must erase is kept in the clear. `None`: nothing has happened to it.
pub(crate) async fn sealed<A: Snapshot, S: EventStore>(
    store: &S,
    codec: &Codec<A::Event>,
    tenant: &TenantId,
    aggregate_id: AggregateId,
) -> Result<Option<Sealed>, SnapshotError> {
    let found = store.load_from_snapshot(tenant, aggregate_id, A::SHAPE).await.map_err(StateError::Load)?;
    let FromSnapshot { snapshot, mut events } = found;
    let (mut state, mut last) = (A::default(), None);
    if let Some(known) = snapshot.filter(|known| known.shape == A::SHAPE) {
        match known.open() {
            Ok(opened) => (state, last) = (opened, Some((known.version, known.event_id))),
            Err(_) => events = store.load(tenant, aggregate_id, 0).await.map_err(StateError::Load)?,
        }
    }
    for stored in events {
        let recorded = codec.pinned(stored).await.map_err(StateError::Decode)?;
        state = state.evolve(&recorded.payload);
        last = Some((recorded.version, recorded.event_id));
    }
    let Some((version, event_id)) = last else { return Ok(None) };
    Ok(Some(Sealed::seal(&state, version, event_id)?))
}
