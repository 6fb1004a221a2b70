//! One kind of aggregate as the routes see it: JSON in, JSON out.

use aggregate::{Aggregate, Commands};
use chrono::Utc;
use event_store::{
    Append, AppendError, Conflict, Context, EventStore, ExecuteError, Expected, NewEventError, NotDrafted,
    Repository, StateError, StoreError, Until,
};
use events::{AggregateId, EventId, TenantId, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::command::command;
use http_api::problem::{Kind, Problem};
use http_api::unavailable;

/// What the API needs of an aggregate: commands that can be read and described, a state and rejections that can be shown.
pub trait Exposed:
    Aggregate<
        Command: Commands + DeserializeOwned + Send + Sync,
        Rejection: Serialize + Send + Sync + 'static,
    > + Serialize
    + Send
    + Sync
    + 'static
{
}

impl<A> Exposed for A where
    A: Aggregate<
            Command: Commands + DeserializeOwned + Send + Sync,
            Rejection: Serialize + Send + Sync + 'static,
        > + Serialize
        + Send
        + Sync
        + 'static
{
}

/// One aggregate's commands, in order, with what surrounds them.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) id: AggregateId,
    pub(crate) commands: Vec<Value>,
    pub(crate) context: Context<'a>,
}

/// What a command led to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// The aggregate's version after it.
    pub(crate) version: u64,
    /// Whether it was carried out before, under the same idempotency key.
    pub(crate) repeated: bool,
}

/// An [`Exposed`] aggregate behind one type, so that routes need not know it.
pub(crate) trait Face: Send + Sync {
    /// Executes one command.
    fn execute<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Done, Problem>>;

    /// What several commands would append, each decided on the state after the one before, and the version before them.
    /// A problem says at which it arose.
    fn draft<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<(Append, u64), (usize, Problem)>>;

    /// The state and its version; version 0 when there is none.
    fn state<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: AggregateId,
        until: Until,
    ) -> BoxFuture<'a, Result<(Value, u64), Problem>>;
}

impl<A: Exposed, S: EventStore + 'static> Face for Repository<A, S> {
    fn execute<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Done, Problem>> {
        async move {
            let Ask { tenant, id, commands, context } = ask;
            let body = commands.into_iter().next().expect("a route asks for one command");
            let command = command(body, A::Command::ID_FIELD, id, now())?;
            let executed = self.execute(tenant, id, command, &context).await.map_err(refused)?;
            Ok(Done { version: executed.version, repeated: executed.repeated })
        }
        .boxed()
    }

    fn draft<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<(Append, u64), (usize, Problem)>> {
        async move {
            let Ask { tenant, id, commands, context } = ask;
            let (mut read, now) = (Vec::with_capacity(commands.len()), now());
            for (index, body) in commands.into_iter().enumerate() {
                read.push(command(body, A::Command::ID_FIELD, id, now).map_err(|problem| (index, problem))?);
            }
            let drafted = self.draft(tenant, id, read, &context).await;
            let draft = drafted.map_err(|NotDrafted { command, source }| (command, refused(source)))?;
            Ok((draft.append, draft.version))
        }
        .boxed()
    }

    fn state<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: AggregateId,
        until: Until,
    ) -> BoxFuture<'a, Result<(Value, u64), Problem>> {
        async move {
            let (state, version) = self.state(tenant, id, until).await.map_err(unknown_state)?;
            let shown = serde_json::to_value(&state).map_err(|error| internal(&error))?;
            Ok((shown, version))
        }
        .boxed()
    }
}

/// The clock of the API: when the client does not say when something happened, it happens now.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(Utc::now().timestamp_micros())
}

/// A new event's id.
pub(crate) fn new_event_id() -> EventId {
    EventId(Uuid::now_v7())
}

fn rejected(rejection: &(impl std::error::Error + Serialize)) -> Problem {
    let named = serde_json::to_value(rejection).unwrap_or_default();
    Problem::new(Kind::CommandRejected, rejection.to_string()).with("rejection", named)
}

fn refused<R: std::error::Error + Serialize + 'static>(error: ExecuteError<R>) -> Problem {
    match error {
        ExecuteError::Rejected(rejection) => rejected(&rejection),
        ExecuteError::Conflict(conflict) => conflicting(&[conflict]),
        ExecuteError::Contended { .. } => {
            Problem::new(Kind::Contended, "others change the aggregate at the same time")
        }
        ExecuteError::State(error) => unknown_state(error),
        ExecuteError::Append(error) => not_appended(error),
        ExecuteError::Encode(error) => not_written(error),
        error @ ExecuteError::OtherAggregate { .. } => internal(&error),
    }
}

/// Events that cannot be stored: for want of a subject, because of a text that only a sealed field may have, or of keys.
fn not_written(error: NewEventError) -> Problem {
    match error {
        NewEventError::NoSubject { .. } | NewEventError::NoKeyring { .. } => {
            Problem::new(Kind::InvalidCommand, error.to_string()).at("")
        }
        NewEventError::Field { source, .. } => Problem::new(Kind::InvalidCommand, source.to_string()).at(""),
        error if error.is_transient() => {
            log(&error);
            unavailable("the keys of data subjects cannot be reached")
        }
        error => internal(&error),
    }
}

pub(crate) fn not_appended(error: AppendError) -> Problem {
    match error {
        AppendError::Conflict(conflicts) => conflicting(&conflicts),
        AppendError::Taken | AppendError::OtherType(_) => {
            Problem::new(Kind::AggregateIdTaken, "the id cannot be used for this aggregate")
        }
        AppendError::KeyReused { .. } => {
            Problem::new(Kind::IdempotencyKeyReused, "the idempotency key came with another request before")
        }
        AppendError::Invalid(invalid) => Problem::new(Kind::InvalidCommand, invalid.to_string()).at(""),
        AppendError::Unknown(error) => {
            log(&error);
            Problem::new(Kind::OutcomeUnknown, "the store's answer was lost")
                .retry_after(std::time::Duration::from_secs(1))
        }
        AppendError::Store(error) => failing(error),
        error @ AppendError::Duplicate { .. } => internal(&error),
    }
}

fn unknown_state(error: StateError) -> Problem {
    match error {
        StateError::Load(error) => failing(error),
        StateError::Decode(error) if error.is_transient() => {
            log(&error);
            unavailable("the keys of data subjects cannot be reached")
        }
        error @ StateError::Decode(_) => internal(&error),
    }
}

fn failing(error: StoreError) -> Problem {
    match error {
        error if error.is_transient() => {
            log(&error);
            unavailable("the store does not answer")
        }
        StoreError::Archived { through_version, .. } => {
            Problem::new(Kind::Archived, "a part of the history that the answer needs was archived")
                .with("through_version", through_version)
        }
        StoreError::Withdrawn { through_version, .. } => {
            Problem::new(Kind::Archived, "what is asked for was withdrawn, and its history is gone")
                .with("through_version", through_version)
        }
        error => internal(&error),
    }
}

/// What the client does not know, without what is in it: that is read as state, by whoever may.
fn conflicting(conflicts: &[Conflict]) -> Problem {
    let conflict = |conflict: &Conflict| {
        let expected = match conflict.expected {
            Expected::None => json!(0),
            Expected::Exactly(version) => json!(version),
            Expected::Exists | Expected::Any => Value::Null,
        };
        let event = |event: &event_store::StoredEvent| {
            json!({ "version": event.version, "event_id": event.event_id, "event_type": event.event_type,
                    "occurred_at": event.occurred_at.to_string() })
        };
        let events: Vec<_> = conflict.events.iter().map(event).collect();
        json!({ "aggregate_id": conflict.aggregate_id, "expected": expected, "actual": conflict.actual, "events": events })
    };
    let conflicts: Vec<_> = conflicts.iter().map(conflict).collect();
    Problem::new(Kind::VersionConflict, "the aggregate is at another version than expected")
        .with("conflicts", conflicts)
}

/// A fault of ours: the log has it, the client does not.
fn internal(error: &dyn std::error::Error) -> Problem {
    log(error);
    Problem::new(Kind::Internal, "the request could not be served")
}

fn log(error: &dyn std::error::Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    tracing::error!(error = text, "a request failed");
}
