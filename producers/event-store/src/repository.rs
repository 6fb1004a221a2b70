//! From a command to stored events: load, decide, append, and again when somebody was faster.

use std::fmt;

use aggregate::Aggregate;
use events::{AggregateId, DomainEvent, EventId, Metadata, TenantId};
use wire::EncodeError;

use crate::{
    Append, AppendError, Appended, Codec, CodecError, Conflict, EventStore, Expected, IdempotencyKey,
    StoreError, StoredEvent, Until,
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
    /// What the sender calls the command: its copies are answered, not carried out.
    pub idempotency: Option<IdempotencyKey>,
}

impl<'a> Context<'a> {
    /// A command at whatever version the aggregate is.
    pub fn new(metadata: Metadata, new_id: &'a (dyn Fn() -> EventId + Send + Sync)) -> Self {
        Self { metadata, new_id, expected: None, idempotency: None }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("metadata", &self.metadata)
            .field("expected", &self.expected)
            .field("idempotency", &self.idempotency)
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
        let (mut state, mut version) = self.state(tenant, aggregate_id, Until::Now).await?;
        for _ in 0..ATTEMPTS_MAX {
            self.check_expected(tenant, aggregate_id, version, context).await?;
            let events = state.decide(command.clone()).map_err(ExecuteError::Rejected)?;
            let key = context.idempotency.as_ref();
            if events.is_empty() && key.is_none() {
                return Ok(Executed { events, version, repeated: false });
            }
            let append = self.append(aggregate_id, version, &events, context)?;
            match self.store.append_keyed(tenant, &[append], key).await {
                Ok(answer) if answer.repeated => return self.repeated(tenant, &answer).await,
                Ok(appended) => {
                    let version = appended.aggregates.first().map_or(version, |to| to.version);
                    return Ok(Executed { events, version, repeated: false });
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

    /// What commands of one aggregate lead to, each decided on the state after the one before. For callers who append
    /// several aggregates' events at once; a conflict there means that the draft is to be made anew.
    pub async fn draft(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        commands: Vec<A::Command>,
        context: &Context<'_>,
    ) -> Result<Draft<A::Event>, ExecuteError<A::Rejection>> {
        let (mut state, version) = self.state(tenant, aggregate_id, Until::Now).await?;
        self.check_expected(tenant, aggregate_id, version, context).await?;
        let mut events = vec![];
        for command in commands {
            let decided = state.decide(command).map_err(ExecuteError::Rejected)?;
            state = decided.iter().fold(state, A::evolve);
            events.extend(decided);
        }
        let append = self.append(aggregate_id, version, &events, context)?;
        Ok(Draft { events, version, append })
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
