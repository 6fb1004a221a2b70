//! From a command to stored events: load, decide, append, and again when somebody was faster.

use std::fmt;

use aggregate::Aggregate;
use events::{AggregateId, DomainEvent, EventId, Metadata, TenantId};
use wire::EncodeError;

use crate::{
    Append, AppendError, Codec, CodecError, Conflict, EventStore, Expected, StoreError, StoredEvent, Until,
};

/// How often a decision is taken anew because somebody else changed the aggregate meanwhile.
const ATTEMPTS_MAX: u32 = 20;

/// One kind of aggregate, kept in a store: the one way from a command to its events.
#[derive(Debug)]
pub struct Repository<A: Aggregate, S> {
    store: S,
    codec: Codec<A::Event>,
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
}

impl<'a> Context<'a> {
    /// A command at whatever version the aggregate is.
    pub fn new(metadata: Metadata, new_id: &'a (dyn Fn() -> EventId + Send + Sync)) -> Self {
        Self { metadata, new_id, expected: None }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("metadata", &self.metadata)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// What a command led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed<E> {
    /// The events it led to; none when it changed nothing.
    pub events: Vec<E>,
    /// The aggregate's version now: the token for a read that must be as fresh.
    pub version: u64,
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
    /// The events cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The events were not stored, or nobody knows.
    #[error(transparent)]
    Append(AppendError),
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

impl<A: Aggregate, S: EventStore> Repository<A, S>
where
    A::Rejection: 'static,
{
    /// The aggregates that this store keeps, their events written by this codec.
    pub fn new(store: S, codec: Codec<A::Event>) -> Self {
        Self { store, codec }
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
    pub async fn execute(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        command: A::Command,
        context: &Context<'_>,
    ) -> Result<Executed<A::Event>, ExecuteError<A::Rejection>> {
        let (mut state, mut version) = self.state(tenant, aggregate_id, Until::Now).await?;
        for _ in 0..ATTEMPTS_MAX {
            if let Some(expected) = context.expected.filter(|expected| *expected != version) {
                let conflict = self.conflict(tenant, aggregate_id, expected, version).await?;
                return Err(ExecuteError::Conflict(conflict));
            }
            let events = state.decide(command.clone()).map_err(ExecuteError::Rejected)?;
            if events.is_empty() {
                return Ok(Executed { events, version });
            }
            let append = self.append(aggregate_id, version, &events, context)?;
            match self.store.append(tenant, &[append]).await {
                Ok(appended) => {
                    let version = appended.aggregates.first().map_or(version, |to| to.version);
                    return Ok(Executed { events, version });
                }
                Err(AppendError::Conflict(conflicts)) => {
                    let missed = self.missed(tenant, aggregate_id, version, conflicts).await?;
                    (state, version) = self.fold(state, version, missed).await?;
                }
                Err(error) => return Err(ExecuteError::Append(error)),
            }
        }
        Err(ExecuteError::Contended { aggregate_id })
    }

    /// The aggregate as it was then, and at which version; version 0 is the state before the first event.
    pub async fn state(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        until: Until,
    ) -> Result<(A, u64), StateError> {
        let past = self.store.load_until(tenant, aggregate_id, 0, until).await.map_err(StateError::Load)?;
        self.fold(A::default(), 0, past).await
    }

    async fn fold(
        &self,
        mut state: A,
        mut version: u64,
        events: Vec<StoredEvent>,
    ) -> Result<(A, u64), StateError> {
        for stored in events {
            let recorded = self.codec.recorded(stored).await?;
            (state, version) = (state.evolve(&recorded.payload), recorded.version);
        }
        Ok((state, version))
    }

    fn append(
        &self,
        aggregate_id: AggregateId,
        version: u64,
        events: &[A::Event],
        context: &Context<'_>,
    ) -> Result<Append, ExecuteError<A::Rejection>> {
        let encode = |event: &A::Event| {
            let found = event.aggregate_id();
            if found != aggregate_id {
                return Err(ExecuteError::OtherAggregate { asked: aggregate_id, found });
            }
            Ok(self.codec.new_event(event, (context.new_id)(), context.metadata.clone())?)
        };
        Ok(Append {
            aggregate_id,
            aggregate_type: A::Event::AGGREGATE_TYPE.to_owned(),
            expected: Expected::Exactly(version),
            events: events.iter().map(encode).collect::<Result<_, _>>()?,
        })
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
