//! From a command to stored events: load, decide, append, and again when somebody was faster.

mod conflict;
mod draft;
mod repeat;
mod state;

pub use draft::{Draft, NotDrafted};
pub use state::{SnapshotError, StateError};

use std::fmt;
use std::sync::Arc;

use aggregate::{Aggregate, Snapshot};
use events::{AggregateId, DomainEvent, EventId, Metadata, TenantId};
use personal_data::{Place, SubjectId};

use crate::snapshot::{Keep, Kept};
use crate::{
    Append, AppendError, Codec, Conflict, EventStore, Expected, IdempotencyKey, NewEventError,
    SnapshotConfig, SnapshotMetrics, StoreError,
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
    /// The events it led to; none when it changed nothing, or when it is repeated and they have left the store since.
    pub events: Vec<E>,
    /// The aggregate's version after them: the token for a read that must be as fresh.
    pub version: u64,
    /// Whether this is the answer to an earlier command of the same idempotency key.
    pub repeated: bool,
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
    /// A command with an idempotency key that was carried out before gets that answer: its version always, its events
    /// unless they have left the store since. A rejection, a conflict or a failure is no answer to keep: the same command
    /// may succeed later.
    pub async fn execute(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        command: A::Command,
        context: &Context<'_>,
    ) -> Result<Executed<A::Event>, ExecuteError<A::Rejection>> {
        match self.carry_out(tenant, aggregate_id, command, context).await {
            Err(
                refused @ (ExecuteError::Rejected(_)
                | ExecuteError::Conflict(_)
                | ExecuteError::State(StateError::Load(StoreError::Archived { .. }))),
            ) => {
                // The first copy may have made the very state that refuses this one; or its state is in an archive by now.
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

    pub(super) async fn append(
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
}
