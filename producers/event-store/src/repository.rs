//! From a command to stored events: load, decide, append, and again when somebody was faster.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregate::{Aggregate, Snapshot};
use events::{AggregateId, DomainEvent, EventId, Metadata, TenantId};
use personal_data::{Place, SubjectId};
use snapshots::{SealError, Sealed};

use crate::snapshot::{Current, Keep, Kept, sealed};
use crate::{
    Append, AppendError, Appended, Codec, CodecError, Conflict, EventStore, Expected, FromSnapshot,
    IdempotencyKey, NewEventError, SnapshotConfig, SnapshotMetrics, StoreError, StoredEvent, Until,
};

/// How often a decision is taken anew because somebody else changed the aggregate meanwhile.
const ATTEMPTS_MAX: u32 = 20;

/// One kind of aggregate, kept in a store: the one way from a command to its events.
#[derive(Debug)]
pub struct Repository<A: Aggregate, S> {
    store: S,
    codec: Arc<Codec<A::Event>>,
    snapshots: Option<Box<dyn Keep<A>>>,
}

/// What surrounds a command: everything that a pure decision must not find by itself.
#[derive(Clone)]
pub struct Context<'a> {
    /// Why the events will exist.
    pub metadata: Metadata,
    /// Where event ids come from; asked once per event and attempt.
    pub new_id: &'a (dyn Fn() -> EventId + Send + Sync),
    /// The version that the caller has seen. At any other the command is not decided: the conflict is the answer.
    pub expected: Option<u64>,
    /// What the sender calls the command: its copies are answered, not carried out.
    pub idempotency: Option<IdempotencyKey>,
    /// Whom its personal texts are about; where nobody is named, the actor ([`Codec`] has the rule).
    pub subject: Option<SubjectId>,
}

impl<'a> Context<'a> {
    /// A command at whatever version the aggregate is.
    pub fn new(metadata: Metadata, new_id: &'a (dyn Fn() -> EventId + Send + Sync)) -> Self {
        Self { metadata, new_id, expected: None, idempotency: None, subject: None }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("metadata", &self.metadata)
            .field("expected", &self.expected)
            .field("idempotency", &self.idempotency)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// What a command led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed<E> {
    /// The events it led to; none when it changed nothing.
    pub events: Vec<E>,
    /// The aggregate's version after them: the token for a read that must be as fresh.
    pub version: u64,
    /// Whether this is the answer to an earlier command of the same idempotency key.
    pub repeated: bool,
}

/// What commands would lead to, decided but not appended.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft<E> {
    /// The events they lead to; none when they change nothing.
    pub events: Vec<E>,
    /// The version they were decided at.
    pub version: u64,
    /// What to append; without events when they change nothing, which only a keyed append takes.
    pub append: Append,
}

/// Why a command led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<R: std::error::Error + 'static> {
    /// The rules say no. An answer, not a failure.
    #[error("rejected: {0}")]
    Rejected(#[source] R),
    /// The aggregate is not at the version that the caller has seen ([`Context::expected`]). An answer, too.
    #[error(transparent)]
    Conflict(Conflict),
    /// Somebody else was faster, every time.
    #[error("aggregate {aggregate_id} changed during each of {ATTEMPTS_MAX} attempts; try again later")]
    Contended {
        /// The busy aggregate.
        aggregate_id: AggregateId,
    },
    /// The decision is about another aggregate than the one that was asked.
    #[error("the command was sent to aggregate {asked}, but it leads to events of {found}")]
    OtherAggregate {
        /// Who was asked.
        asked: AggregateId,
        /// Whose events came out.
        found: AggregateId,
    },
    /// The past is not known.
    #[error(transparent)]
    State(#[from] StateError),
    /// The events cannot be written, or not without saying whom they are about.
    #[error(transparent)]
    Encode(#[from] NewEventError),
    /// The events were not stored, or nobody knows.
    #[error(transparent)]
    Append(AppendError),
}

/// Why a draft came to nothing, and at which of its commands.
#[derive(Debug, thiserror::Error)]
#[error("nothing was drafted because of command {command}")]
pub struct NotDrafted<R: std::error::Error + 'static> {
    /// The command's place in the draft, from 0; 0, too, when none is to blame.
    pub command: usize,
    /// Why.
    pub source: ExecuteError<R>,
}

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
    /// The aggregates that this store keeps, their events written by this codec.
    pub fn new(store: S, codec: Codec<A::Event>) -> Self {
        Self { store, codec: Arc::new(codec), snapshots: None }
    }

    /// The same, with snapshots: states are kept in memory for a while, and written to the store when the policy says so.
    /// A snapshot is written after its command was answered, in a task of its own; none ever makes a command fail.
    #[must_use]
    pub fn with_snapshots(self, config: &SnapshotConfig, metrics: SnapshotMetrics) -> Self
    where
        A: Snapshot + fmt::Debug,
        S: Clone + fmt::Debug + 'static,
    {
        let kept = Kept::new(self.store.clone(), self.codec.clone(), config, metrics);
        Self { snapshots: Some(Box::new(kept)), ..self }
    }

    /// The store behind it.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What its events are written and read by.
    pub fn codec(&self) -> &Codec<A::Event> {
        &self.codec
    }

    /// Loads the aggregate, lets it decide, appends what it decided. When somebody else appended in between, the
    /// decision is taken again on what is true now, a bounded number of times, unless the caller named the version.
    ///
    /// A command with an idempotency key that was carried out before gets that answer. A rejection, a conflict or a failure is
    /// no answer to keep: the same command may succeed later.
    pub async fn execute(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        command: A::Command,
        context: &Context<'_>,
    ) -> Result<Executed<A::Event>, ExecuteError<A::Rejection>> {
        match self.carry_out(tenant, aggregate_id, command, context).await {
            Err(refused @ (ExecuteError::Rejected(_) | ExecuteError::Conflict(_))) => {
                // The first copy may have made the very state that refuses this one.
                let Some(key) = &context.idempotency else { return Err(refused) };
                match self.store.answered(tenant, key).await.map_err(ExecuteError::Append)? {
                    Some(answer) => self.repeated(tenant, &answer).await,
                    None => Err(refused),
                }
            }
            answer => answer,
        }
    }

    async fn carry_out(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        command: A::Command,
        context: &Context<'_>,
    ) -> Result<Executed<A::Event>, ExecuteError<A::Rejection>> {
        let mut current = self.current(tenant, aggregate_id).await?;
        for _ in 0..ATTEMPTS_MAX {
            let version = current.version;
            self.check_expected(tenant, aggregate_id, version, context).await?;
            let events = current.state.decide(command.clone()).map_err(ExecuteError::Rejected)?;
            let key = context.idempotency.as_ref();
            if events.is_empty() && key.is_none() {
                return Ok(Executed { events, version, repeated: false });
            }
            let append = self.append(tenant, aggregate_id, version, &events, context).await?;
            match self.store.append_keyed(tenant, std::slice::from_ref(&append), key).await {
                Ok(answer) if answer.repeated => return self.repeated(tenant, &answer).await,
                Ok(appended) => {
                    let version = appended.aggregates.first().map_or(version, |to| to.version);
                    self.appended(tenant, current, &append, &events, version);
                    return Ok(Executed { events, version, repeated: false });
                }
                Err(AppendError::Conflict(conflicts)) => {
                    current = if conflicts.iter().any(|conflict| conflict.actual < version) {
                        // What was in memory is of a history that is no longer there.
                        self.since_snapshot(tenant, aggregate_id).await?
                    } else {
                        let missed = self.missed(tenant, aggregate_id, version, conflicts).await?;
                        self.fold(current, missed).await?
                    };
                }
                Err(error) => return Err(ExecuteError::Append(error)),
            }
        }
        Err(ExecuteError::Contended { aggregate_id })
    }

    /// What commands of one aggregate lead to, each decided on the state after the one before. For callers who append
    /// several aggregates' events at once; a conflict there means that the draft is to be made anew.
    pub async fn draft(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        commands: Vec<A::Command>,
        context: &Context<'_>,
    ) -> Result<Draft<A::Event>, NotDrafted<A::Rejection>> {
        let all = |source| NotDrafted { command: 0, source };
        let loaded = self.state(tenant, aggregate_id, Until::Now).await;
        let (mut state, version) = loaded.map_err(|error| all(error.into()))?;
        self.check_expected(tenant, aggregate_id, version, context).await.map_err(all)?;
        let mut events = vec![];
        for (index, command) in commands.into_iter().enumerate() {
            let rejected =
                |rejection| NotDrafted { command: index, source: ExecuteError::Rejected(rejection) };
            let decided = state.decide(command).map_err(rejected)?;
            state = decided.iter().fold(state, A::evolve);
            events.extend(decided);
        }
        let append = self.append(tenant, aggregate_id, version, &events, context).await.map_err(all)?;
        Ok(Draft { events, version, append })
    }

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
    async fn current(&self, tenant: &TenantId, aggregate_id: AggregateId) -> Result<Current<A>, StateError> {
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
    async fn remembered(
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
    async fn since_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
    ) -> Result<Current<A>, StateError> {
        let read_at = Some(Instant::now());
        Ok(Current { read_at, ..self.read(tenant, aggregate_id).await? })
    }

    async fn read(&self, tenant: &TenantId, aggregate_id: AggregateId) -> Result<Current<A>, StateError> {
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
    fn appended(
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

    async fn fold(
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

    async fn append(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        version: u64,
        events: &[A::Event],
        context: &Context<'_>,
    ) -> Result<Append, ExecuteError<A::Rejection>> {
        let Context { metadata, subject, .. } = context;
        let key = self.codec.key_for(tenant, subject.as_ref(), metadata, events).await?;
        let encode = |event: &A::Event| {
            let found = event.aggregate_id();
            if found != aggregate_id {
                return Err(ExecuteError::OtherAggregate { asked: aggregate_id, found });
            }
            let place = Place { tenant, aggregate_id, event_id: (context.new_id)() };
            Ok(self.codec.new_event(&place, event, metadata.clone(), key.as_deref())?)
        };
        Ok(Append {
            aggregate_id,
            aggregate_type: A::Event::AGGREGATE_TYPE.to_owned(),
            expected: Expected::Exactly(version),
            events: events.iter().map(encode).collect::<Result<_, _>>()?,
        })
    }

    /// What the first command of a key led to.
    async fn repeated(
        &self,
        tenant: &TenantId,
        answer: &Appended,
    ) -> Result<Executed<A::Event>, ExecuteError<A::Rejection>> {
        let to = answer.aggregates.first().expect("an answer is about an aggregate");
        let (first, last) = (to.version - to.events, Until::Version(to.version));
        let mut events = vec![];
        if to.events > 0 {
            let stored = self.store.load_until(tenant, to.aggregate_id, first, last).await;
            for stored in stored.map_err(StateError::Load)? {
                events.push(self.codec.recorded(stored).await.map_err(StateError::Decode)?.payload);
            }
        }
        Ok(Executed { events, version: to.version, repeated: true })
    }

    /// Refuses a command whose sender has seen another version.
    async fn check_expected(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        actual: u64,
        context: &Context<'_>,
    ) -> Result<(), ExecuteError<A::Rejection>> {
        let Some(expected) = context.expected.filter(|expected| *expected != actual) else { return Ok(()) };
        Err(ExecuteError::Conflict(self.conflict(tenant, aggregate_id, expected, actual).await?))
    }

    /// What a caller who has seen `expected` does not know, as an append would have told.
    async fn conflict(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        expected: u64,
        actual: u64,
    ) -> Result<Conflict, StateError> {
        let last = Until::Version(expected.saturating_add(Conflict::EVENTS_MAX as u64));
        let events = self.store.load_until(tenant, aggregate_id, expected, last).await;
        let expected = Expected::Exactly(expected);
        Ok(Conflict { aggregate_id, expected, actual, events: events.map_err(StateError::Load)? })
    }

    /// What happened after `version`: as a rule the conflict says it all, and no second question is needed. It does not
    /// where it is long, or where events were archived meanwhile.
    async fn missed(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        version: u64,
        conflicts: Vec<Conflict>,
    ) -> Result<Vec<StoredEvent>, StateError> {
        for conflict in conflicts {
            let is_next = conflict.events.first().is_some_and(|first| first.version == version + 1);
            if is_next && conflict.events.last().is_some_and(|last| last.version == conflict.actual) {
                return Ok(conflict.events);
            }
        }
        self.store.load(tenant, aggregate_id, version).await.map_err(StateError::Load)
    }
}
