//! What rows become: the rules and the schemas of one type of aggregate.

use std::fmt;

use aggregate::Aggregate;
use event_store::{Codec, CodecError, ERASED, NewEvent, NewEventError, StoredEvent, SubjectId};
use events::{AggregateId, DomainEvent, EventId, Metadata, TenantId, Timestamp};
use futures::future::BoxFuture;
use mapping::{Command, Refused};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use uuid::Uuid;

/// One type of aggregate, as an import needs to know it.
pub trait Target: Send + Sync {
    /// Its type, as in the store.
    fn aggregate_type(&self) -> &'static str;

    /// The whole history that these commands lead to, from the state before the first event, encoded, not sealed yet.
    ///
    /// # Errors
    /// Names the first command that cannot be read, that the rules refuse, or whose events cannot be encoded.
    fn decide(
        &self,
        id: AggregateId,
        commands: Vec<Command>,
        why: &Metadata,
    ) -> Result<Vec<NewEvent>, Refused>;

    /// A planned event as it is stored: under its final id, its personal texts sealed.
    fn sealed<'a>(
        &'a self,
        tenant: &'a TenantId,
        subject: Option<&'a SubjectId>,
        planned: NewEvent,
    ) -> BoxFuture<'a, Result<NewEvent, NewEventError>>;

    /// Whether an event of this type ends a life of the aggregate, so that it may start anew.
    fn is_withdrawal(&self, event_type: &str) -> bool;

    /// The event that ends a life of the aggregate.
    ///
    /// # Errors
    /// When it cannot be encoded.
    fn withdraw(
        &self,
        id: AggregateId,
        event_id: EventId,
        at: Timestamp,
        reason: &str,
        why: Metadata,
    ) -> Result<NewEvent, Refused>;

    /// Whether a stored event says what a planned one says, whichever versions of a schema they are written in. What was
    /// erased there is not compared.
    fn is_same<'a>(
        &'a self,
        stored: &'a StoredEvent,
        planned: &'a NewEvent,
    ) -> BoxFuture<'a, Result<bool, CodecError>>;

    /// A stored event's fields by name.
    fn fields(&self, stored: StoredEvent) -> BoxFuture<'_, Result<Json, CodecError>>;
}

/// The id of the event that becomes `version` of an imported aggregate: the same whenever it is imported.
pub(crate) fn event_id(id: AggregateId, version: u64) -> EventId {
    EventId(Uuid::new_v5(&id.0, &version.to_be_bytes()))
}

/// An aggregate of the domain as a [`Target`].
pub struct Rules<A: Aggregate> {
    codec: Codec<A::Event>,
}

impl<A: Aggregate> Rules<A> {
    /// Decided by `A`, written and read by `codec`.
    pub fn new(codec: Codec<A::Event>) -> Self {
        Self { codec }
    }
}

impl<A: Aggregate> fmt::Debug for Rules<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("aggregate", &A::Event::AGGREGATE_TYPE).finish_non_exhaustive()
    }
}

impl<A: Aggregate> Target for Rules<A>
where
    A::Command: DeserializeOwned,
{
    fn aggregate_type(&self) -> &'static str {
        A::Event::AGGREGATE_TYPE
    }

    fn decide(
        &self,
        id: AggregateId,
        commands: Vec<Command>,
        why: &Metadata,
    ) -> Result<Vec<NewEvent>, Refused> {
        let (mut state, mut history) = (A::default(), Vec::new());
        for Command { at, json } in commands {
            let name = json["type"].as_str().unwrap_or_default().to_owned();
            let refused = |field: &str, reason: String| Refused { field: join(&at, field), reason };
            let command = read::<A::Command>(json)
                .map_err(|(field, reason)| refused(&field, format!("{name}: {reason}")))?;
            let events =
                state.decide(command).map_err(|no| refused("", format!("the rules refuse {name}: {no}")))?;
            for event in events {
                let encoded =
                    self.codec.unsealed(&event, event_id(id, history.len() as u64 + 1), why.clone());
                history.push(encoded.map_err(|error| refused("", format!("{name}: {error}")))?);
                state = state.evolve(&event);
            }
        }
        Ok(history)
    }

    fn sealed<'a>(
        &'a self,
        tenant: &'a TenantId,
        subject: Option<&'a SubjectId>,
        planned: NewEvent,
    ) -> BoxFuture<'a, Result<NewEvent, NewEventError>> {
        Box::pin(self.codec.sealed(tenant, subject, planned))
    }

    fn is_withdrawal(&self, event_type: &str) -> bool {
        event_type == A::Event::WITHDRAWN
    }

    fn withdraw(
        &self,
        id: AggregateId,
        event_id: EventId,
        at: Timestamp,
        reason: &str,
        why: Metadata,
    ) -> Result<NewEvent, Refused> {
        let event = A::Event::withdrawn(id, at, reason.to_owned());
        let encoded = self.codec.unsealed(&event, event_id, why); // a withdrawal says nothing about a person
        encoded.map_err(|error| Refused { field: "reason".to_owned(), reason: error.to_string() })
    }

    fn is_same<'a>(
        &'a self,
        stored: &'a StoredEvent,
        planned: &'a NewEvent,
    ) -> BoxFuture<'a, Result<bool, CodecError>> {
        Box::pin(async move {
            if stored.event_id != planned.event_id || stored.event_type != planned.event_type {
                return Ok(false);
            }
            if stored.payload == planned.payload {
                return Ok(true);
            }
            let planned = StoredEvent { payload: planned.payload.clone(), ..stored.clone() };
            let mut stored = self.codec.recorded(stored.clone()).await?.payload;
            let mut planned = self.codec.recorded(planned).await?.payload;
            for ((_, stored), (_, planned)) in stored.personal().into_iter().zip(planned.personal()) {
                if stored == ERASED {
                    ERASED.clone_into(planned);
                }
            }
            Ok(stored == planned)
        })
    }

    fn fields(&self, stored: StoredEvent) -> BoxFuture<'_, Result<Json, CodecError>> {
        Box::pin(async move {
            let event = self.codec.recorded(stored).await?.payload;
            Ok(event
                .serialize_record(serde_json::value::Serializer)
                .expect("an event is made of JSON's kinds of values"))
        })
    }
}

fn join(at: &str, field: &str) -> String {
    match (at, field) {
        ("", "") => ".".to_owned(),
        ("", one) | (one, "") => one.to_owned(),
        (at, field) => format!("{at}.{field}"),
    }
}

/// Reads a command; of one that cannot be read, the field that is to blame and what is wrong with it.
///
/// A tagged enum is read from a buffer, which forgets where the mistake was. The field to blame is the one without which
/// the complaint is another.
fn read<C: DeserializeOwned>(json: Json) -> Result<C, (String, String)> {
    let reason = match C::deserialize(&json) {
        Ok(command) => return Ok(command),
        Err(error) => error.to_string(),
    };
    let complaint = |json: &Json| C::deserialize(json).err().map(|error| error.to_string());
    let without = |field: &String| {
        let mut json = json.clone();
        json.as_object_mut()?.remove(field);
        Some(json)
    };
    let mut fields =
        json.as_object().into_iter().flatten().map(|(field, _)| field).filter(|field| *field != "type");
    let blamed = fields.find(|field| {
        without(field).is_some_and(|json| complaint(&json).is_none_or(|other| other != reason))
    });
    Err((blamed.cloned().unwrap_or_default(), reason))
}
