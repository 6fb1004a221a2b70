//! What every event has beside its payload.

use serde::{Deserialize, Serialize, Serializer, de};

use crate::{AggregateId, EventId, TenantId, Timestamp};

/// One kind of event: its name and the text of its newest Avro schema.
#[derive(Debug, Clone, Copy)]
pub struct EventType {
    /// The record's name, without its namespace; `ce_type` on the wire.
    pub name: &'static str,
    /// The newest version, counted from 1.
    pub version: u32,
    /// The schema as in `schemas/avro/<topic>/<name>/<version>.avsc`.
    pub schema: &'static str,
    /// The schemas of all versions, oldest first; the last is `schema`.
    pub history: &'static [&'static str],
    /// Versions up to this one are read by their own shape and lifted to the newest ([`Upcast`]); 0: none is, every
    /// version reads as the newest.
    pub lifted_through: u32,
    /// Fields of the newest version that are about people, as its schema marks them.
    pub personal: &'static [&'static str],
}

/// An older version of an event, as it was meant: the pure function to the next version that means something else.
///
/// Needed only where reading the old bytes as the newest shape would mean something else than was written: a field
/// that was split, a unit that changed. A new meaning takes a new field name, so that readers older than the writer
/// see nothing there rather than something wrong.
pub trait Upcast {
    /// The next shape, and in the end the newest.
    type Next;
    /// What was said then, as it is said now.
    fn upcast(self) -> Self::Next;
}

/// A field that may hold a text about a person.
pub trait PersonalField {
    /// The text, if there is one.
    fn text(&mut self) -> Option<&mut String>;
}

impl PersonalField for String {
    fn text(&mut self) -> Option<&mut String> {
        Some(self)
    }
}

impl PersonalField for Option<String> {
    fn text(&mut self) -> Option<&mut String> {
        self.as_mut()
    }
}

/// The closed set of events of one aggregate type.
pub trait DomainEvent: Clone + PartialEq + std::fmt::Debug + Send + Sync + Sized + 'static {
    /// Where these events are published.
    const TOPIC: &'static str;
    /// The aggregate type, as in the store; the topic is `agents.<type>.events`.
    const AGGREGATE_TYPE: &'static str;
    /// Every event of the set.
    const TYPES: &'static [EventType];
    /// The one of [`Self::TYPES`] that takes the aggregate back: after it, the aggregate is as before its first event.
    const WITHDRAWN: &'static str;

    /// Which of [`Self::TYPES`] this is.
    fn event_type(&self) -> &'static str;
    /// Whose event this is.
    fn aggregate_id(&self) -> AggregateId;
    /// When it happened, by the clock of whoever saw it happen.
    fn occurred_at(&self) -> Timestamp;
    /// The texts about people that are there, each with its field's name in the schema.
    fn personal(&mut self) -> Vec<(&'static str, &mut String)>;
    /// The event that takes the whole aggregate back. `reason` stays readable for ever, so it names nobody.
    fn withdrawn(aggregate_id: AggregateId, at: Timestamp, reason: String) -> Self;
    /// Writes the record of this event, without any tag around it.
    fn serialize_record<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Reads the record of the named event as `version` of its schema meant it. A version that is newer than the newest
    /// known is read as that one, which compatibility allows. `None`: no event of this set has that name.
    fn deserialize_record<'de, D: de::Deserializer<'de>>(
        event_type: &str,
        version: u32,
        deserializer: D,
    ) -> Option<Result<Self, D::Error>>;
}

/// Why an event exists and who caused it. Made by [`Metadata::of_request`] where a chain of events begins and by
/// [`Recorded::cause`] where it goes on, so that nobody puts ids together by hand.
///
/// ```
/// use events::Metadata;
/// # use events::{ExecutionEvent, Recorded, Timestamp};
/// # let id: events::AggregateId = "018f3f5e-0000-7000-8000-000000000001".parse()?;
/// # let payload = <ExecutionEvent as events::DomainEvent>::withdrawn(id, Timestamp::default(), String::new());
/// let asked = Metadata::of_request("request-7", "ada");
/// # let event_id: events::EventId = "018f3f5e-0000-7000-8000-00000000000e".parse()?;
/// # let recorded = Recorded { tenant: "acme".parse()?, aggregate_id: id, version: 1, event_id,
/// #     recorded_at: Timestamp::default(), metadata: asked, payload };
/// // What a saga does because of a recorded event:
/// let follows = recorded.cause().by("review-saga");
/// assert_eq!(follows.correlation_id.as_deref(), Some("request-7"));
/// assert_eq!(follows.causation_id, Some(recorded.event_id.to_string()));
/// assert_eq!(follows.actor.as_deref(), Some("review-saga"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// All that follows from one request shares it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub correlation_id: Option<String>,
    /// The event or command that led to this one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub causation_id: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub actor: Option<String>,
    /// W3C trace context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
}

/// An event with its place in the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<E> {
    /// Whose data it is.
    pub tenant: TenantId,
    /// Whose event it is.
    pub aggregate_id: AggregateId,
    /// Its place among the aggregate's events: 1, 2, 3 … without a gap.
    pub version: u64,
    /// Its name for ever.
    pub event_id: EventId,
    /// When the store wrote it.
    pub recorded_at: Timestamp,
    /// Why it exists.
    pub metadata: Metadata,
    /// What happened; it knows when.
    pub payload: E,
}

impl Metadata {
    /// Of what a request leads to: it is both the first cause and what everything that follows has in common.
    pub fn of_request(request_id: impl Into<String>, actor: impl Into<String>) -> Self {
        let request_id = request_id.into();
        Self {
            correlation_id: Some(request_id.clone()),
            causation_id: Some(request_id),
            actor: Some(actor.into()),
            traceparent: None,
        }
    }

    /// The same, done by `actor`.
    #[must_use]
    pub fn by(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// The same, within the trace that `traceparent` names (W3C trace context).
    #[must_use]
    pub fn traced(self, traceparent: impl Into<String>) -> Self {
        Self { traceparent: Some(traceparent.into()), ..self }
    }
}

impl<E> Recorded<E> {
    /// Of what follows from this event: caused by it, correlated as it is, in its trace; by whom is for the caller to
    /// say ([`Metadata::by`]). An event without a correlation begins one.
    pub fn cause(&self) -> Metadata {
        let event_id = self.event_id.to_string();
        Metadata {
            correlation_id: Some(self.metadata.correlation_id.clone().unwrap_or_else(|| event_id.clone())),
            causation_id: Some(event_id),
            actor: None,
            traceparent: self.metadata.traceparent.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn recorded(metadata: Metadata) -> Recorded<()> {
        Recorded {
            tenant: "acme".parse().unwrap(),
            aggregate_id: AggregateId(Uuid::from_u128(1)),
            version: 1,
            event_id: EventId(Uuid::from_u128(2)),
            recorded_at: Timestamp::default(),
            metadata,
            payload: (),
        }
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_request_is_its_own_cause_and_correlates_what_follows() {
        let asked = Metadata::of_request("request-7", "ada");
        assert_eq!((asked.correlation_id, asked.causation_id), (some("request-7"), some("request-7")));
        assert_eq!((asked.actor, asked.traceparent), (some("ada"), None));
    }

    #[test]
    fn actor_and_trace_change_nothing_else() {
        let asked = Metadata::of_request("request-7", "ada");
        assert_eq!(asked.clone().by("grace"), Metadata { actor: some("grace"), ..asked.clone() });
        assert_eq!(asked.clone().traced("00-1-2-01"), Metadata { traceparent: some("00-1-2-01"), ..asked });
    }

    #[test]
    fn what_follows_an_event_is_caused_by_it_and_correlated_as_it_is() {
        let event = recorded(Metadata::of_request("request-7", "ada").traced("00-1-2-01"));
        let cause = event.cause();
        assert_eq!(cause.causation_id, Some(event.event_id.to_string()));
        assert_eq!(cause.correlation_id, some("request-7"));
        assert_eq!(cause.traceparent, some("00-1-2-01"));
        assert_eq!(cause.actor, None, "whoever acts says so");
    }

    #[test]
    fn an_event_that_correlates_with_nothing_begins_a_correlation() {
        let event = recorded(Metadata::default());
        let cause = event.cause();
        assert_eq!(cause.correlation_id, Some(event.event_id.to_string()));
        assert_eq!(cause.causation_id, cause.correlation_id);
        assert_eq!((cause.actor, cause.traceparent), (None, None));
    }
}
