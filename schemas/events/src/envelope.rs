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
}

/// The closed set of events of one aggregate type.
pub trait DomainEvent: Clone + PartialEq + std::fmt::Debug + Send + Sync + Sized + 'static {
    /// Where these events are published.
    const TOPIC: &'static str;
    /// The aggregate type, as in the store; the topic is `agents.<type>.events`.
    const AGGREGATE_TYPE: &'static str;
    /// Every event of the set.
    const TYPES: &'static [EventType];

    /// Which of [`Self::TYPES`] this is.
    fn event_type(&self) -> &'static str;
    /// Whose event this is.
    fn aggregate_id(&self) -> AggregateId;
    /// When it happened, by the clock of whoever saw it happen.
    fn occurred_at(&self) -> Timestamp;
    /// Writes the record of this event, without any tag around it.
    fn serialize_record<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Reads the record of the named event. `None`: no event of this set has that name.
    fn deserialize_record<'de, D: de::Deserializer<'de>>(
        event_type: &str,
        deserializer: D,
    ) -> Option<Result<Self, D::Error>>;
}

/// Why an event exists and who caused it.
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
