//! A record as it lay in the topic, owned.

use std::sync::Arc;

use events::Digest;
use uuid::Uuid;

use crate::Headers;

/// A Kafka record, copied out of librdkafka's buffers so that holding it pins nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since the Unix epoch, if the record has a timestamp.
    pub timestamp_ms: Option<i64>,
    /// The key; the aggregate's id as text in a record of ours.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub payload: Option<Vec<u8>>,
    /// The headers.
    pub headers: Headers,
}

impl Record {
    /// The value of the last header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name)
    }

    /// What tells it from another record at the same offset, of this topic or of another one of its name.
    pub fn fingerprint(&self, topic_id: Uuid) -> Fingerprint {
        let (key, payload) =
            (self.key.as_deref().unwrap_or_default(), self.payload.as_deref().unwrap_or_default());
        Fingerprint(
            Digest::of(&[topic_id.as_bytes(), &(key.len() as u64).to_be_bytes()[..], key, payload].concat())
                .to_number(),
        )
    }

    /// Roughly what it costs to keep, in bytes.
    pub fn weight(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        size_of::<Self>() + length(&self.key) + length(&self.payload) + self.headers.weight()
    }

    /// The id of the schema it claims to be written with, if it is framed the Confluent way.
    pub fn schema_id(&self) -> Option<u32> {
        match self.payload.as_deref()? {
            [0, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => None,
        }
    }
}

/// What a record was, in 64 bits: enough to see that a topic was made anew or lost records, and has others there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub i64);
