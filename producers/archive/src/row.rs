//! One event of the store as it stands in a file.

use std::sync::LazyLock;

use events::{AggregateId, Digest, EventId, Sum};
use serde::{Deserialize, Serialize};

/// The schema of a file's records.
pub(crate) static SCHEMA: LazyLock<serde_avro_fast::Schema> = LazyLock::new(|| {
    include_str!("../schema/stored_event.avsc").parse().expect("the schema is a constant, and is Avro")
});

/// A row of `event_store`, every column of it, as the database has it: JSON stays text, so that no number changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Place in the store.
    pub position: i64,
    /// Whose data it is.
    pub tenant_id: String,
    /// Whose event it is.
    pub aggregate_id: AggregateId,
    /// Kind of aggregate.
    pub aggregate_type: String,
    /// Place among the aggregate's events, from 1.
    pub version: i64,
    /// The event's name for ever.
    pub event_id: EventId,
    /// Name of the event's Avro record.
    pub event_type: String,
    /// Avro in Confluent framing, untouched.
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
    /// The payload as JSON, for people.
    pub event_data: String,
    /// Why it exists, as JSON.
    pub metadata: String,
    /// When it happened: microseconds since 1970.
    pub occurred_at: i64,
    /// When the store wrote it: microseconds since 1970.
    pub recorded_at: i64,
    /// The transaction that wrote it.
    pub transaction_id: i64,
}

impl EventRow {
    /// Adds the event to a sum.
    pub(crate) fn add_to(&self, sum: &mut Sum) {
        sum.add(self.aggregate_id, self.version.unsigned_abs(), self.event_id, Digest::of(&self.payload));
    }
}

/// Bytes as one value rather than a sequence of numbers.
mod bytes {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl de::Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}
