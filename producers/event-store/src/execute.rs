//! From a command to stored events: load, decide, append, and again when somebody was faster.

use std::fmt;

use aggregate::Aggregate;
use events::{AggregateId, DomainEvent, EventId, Metadata, Recorded, TenantId};
use wire::{DecodeError, Decoder, EncodeError, Encoder, PrepareError, Registry};

use crate::{Append, AppendError, Conflict, EventStore, Expected, NewEvent, StoreError, StoredEvent, Until};

/// How often a decision is taken anew because somebody else changed the aggregate meanwhile.
const ATTEMPTS_MAX: u32 = 20;

/// Writes and reads the payloads of one aggregate's events.
#[derive(Debug)]
pub struct Codec<E> {
    encoder: Encoder<E>,
    decoder: Decoder<E>,
}

impl<E: DomainEvent> Codec<E> {
    /// A codec with the registry's ids; every schema must be registered.
    pub async fn prepare(registry: &Registry) -> Result<Self, PrepareError> {
        let encoder = Encoder::prepare(registry).await?;
        Ok(Self { encoder, decoder: Decoder::new(registry.clone()) })
    }

    /// A codec without a registry, for tests: see [`Encoder::with_ids`].
    pub fn with_ids(first_id: u32) -> Result<Self, PrepareError> {
        let encoder = Encoder::with_ids(first_id)?;
        let decoder = encoder.decoder();
        Ok(Self { encoder, decoder })
    }

    /// The event as it is appended.
    pub fn new_event(
        &self,
        event: &E,
        event_id: EventId,
        metadata: Metadata,
    ) -> Result<NewEvent, EncodeError> {
        Ok(NewEvent {
            event_id,
            event_type: event.event_type().to_owned(),
            payload: self.encoder.encode(event)?,
            data: self.encoder.to_json(event),
            metadata,
            occurred_at: event.occurred_at(),
        })
    }

    /// A stored event with its payload read.
    pub async fn recorded(&self, stored: StoredEvent) -> Result<Recorded<E>, CodecError> {
        let read = self.decoder.decode_loading(&stored.payload).await;
        match read {
            Ok(payload) => Ok(stored.into_recorded(payload)),
            Err(source) => Err(CodecError { event_id: stored.event_id, version: stored.version, source }),
        }
    }
}

/// A stored payload is unreadable.
#[derive(Debug, thiserror::Error)]
#[error("stored event {event_id}, version {version}, cannot be read")]
pub struct CodecError {
    /// Which event.
    pub event_id: EventId,
    /// Its version.
    pub version: u64,
    /// Why not.
    pub source: DecodeError,
}

/// What surrounds a command: everything that a pure decision must not find by itself.
pub struct Context<'a> {
    /// Why the events will exist.
    pub metadata: Metadata,
    /// Where event ids come from; asked once per event and attempt.
    pub new_id: &'a (dyn Fn() -> EventId + Send + Sync),
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("metadata", &self.metadata).finish_non_exhaustive()
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
    /// The past could not be loaded.
    #[error("the aggregate's events were not loaded")]
    Load(#[source] StoreError),
    /// The past could not be read.
    #[error(transparent)]
    Decode(#[from] CodecError),
    /// The events cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The events were not stored, or nobody knows.
    #[error(transparent)]
    Append(AppendError),
}

/// Loads the aggregate, lets it decide, appends what it decided. When somebody else appended in between, the decision
/// is taken again on what is true now, a bounded number of times.
pub async fn execute<A>(
    store: &impl EventStore,
    codec: &Codec<A::Event>,
    tenant: &TenantId,
    aggregate_id: AggregateId,
    command: A::Command,
    context: &Context<'_>,
) -> Result<Executed<A::Event>, ExecuteError<A::Rejection>>
where
    A: Aggregate,
    A::Rejection: 'static,
{
    let past = store.load(tenant, aggregate_id, 0).await.map_err(ExecuteError::Load)?;
    let (mut state, mut version) = fold::<A>(A::default(), 0, codec, past).await?;
    for _ in 0..ATTEMPTS_MAX {
        let events = state.decide(command.clone()).map_err(ExecuteError::Rejected)?;
        if events.is_empty() {
            return Ok(Executed { events, version });
        }
        let append = append::<A>(codec, aggregate_id, version, &events, context)?;
        match store.append(tenant, &[append]).await {
            Ok(appended) => {
                let version = appended.aggregates.first().map_or(version, |to| to.version);
                return Ok(Executed { events, version });
            }
            Err(AppendError::Conflict(conflicts)) => {
                let missed = missed(store, tenant, aggregate_id, version, conflicts).await?;
                (state, version) = fold(state, version, codec, missed).await?;
            }
            Err(error) => return Err(ExecuteError::Append(error)),
        }
    }
    Err(ExecuteError::Contended { aggregate_id })
}

/// The aggregate as it was then, and at which version; version 0 is the state before the first event.
pub async fn replay<A>(
    store: &impl EventStore,
    codec: &Codec<A::Event>,
    tenant: &TenantId,
    aggregate_id: AggregateId,
    until: Until,
) -> Result<(A, u64), ExecuteError<A::Rejection>>
where
    A: Aggregate,
    A::Rejection: 'static,
{
    let past = store.load_until(tenant, aggregate_id, 0, until).await.map_err(ExecuteError::Load)?;
    Ok(fold(A::default(), 0, codec, past).await?)
}

async fn fold<A: Aggregate>(
    mut state: A,
    mut version: u64,
    codec: &Codec<A::Event>,
    events: Vec<StoredEvent>,
) -> Result<(A, u64), CodecError> {
    for stored in events {
        let recorded = codec.recorded(stored).await?;
        (state, version) = (state.evolve(&recorded.payload), recorded.version);
    }
    Ok((state, version))
}

fn append<A>(
    codec: &Codec<A::Event>,
    aggregate_id: AggregateId,
    version: u64,
    events: &[A::Event],
    context: &Context<'_>,
) -> Result<Append, ExecuteError<A::Rejection>>
where
    A: Aggregate,
    A::Rejection: 'static,
{
    let encode = |event: &A::Event| {
        let found = event.aggregate_id();
        if found != aggregate_id {
            return Err(ExecuteError::OtherAggregate { asked: aggregate_id, found });
        }
        Ok(codec.new_event(event, (context.new_id)(), context.metadata.clone())?)
    };
    Ok(Append {
        aggregate_id,
        aggregate_type: A::Event::AGGREGATE_TYPE.to_owned(),
        expected: Expected::Exactly(version),
        events: events.iter().map(encode).collect::<Result<_, _>>()?,
    })
}

/// What happened after `version`: as a rule the conflict says it all, and no second question is needed.
async fn missed<R: std::error::Error + 'static>(
    store: &impl EventStore,
    tenant: &TenantId,
    aggregate_id: AggregateId,
    version: u64,
    conflicts: Vec<Conflict>,
) -> Result<Vec<StoredEvent>, ExecuteError<R>> {
    for conflict in conflicts {
        if conflict.events.last().is_some_and(|last| last.version == conflict.actual) {
            return Ok(conflict.events);
        }
    }
    store.load(tenant, aggregate_id, version).await.map_err(ExecuteError::Load)
}
