//! A record as it lay in the topic, owned.

use std::sync::Arc;

/// One header: its name, and its value unless it is null.
pub type Header = (String, Option<Vec<u8>>);

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
    /// The headers in their order; a name may occur twice.
    pub headers: Vec<Header>,
}

impl Record {
    /// The value of the last header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().find(|(n, _)| n == name).and_then(|(_, value)| value.as_deref())
    }

    /// Roughly what it costs to keep, in bytes.
    pub fn weight(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(n, v)| n.len() + v.as_ref().map_or(0, Vec::len) + 48).sum();
        size_of::<Self>()
            + self.key.as_ref().map_or(0, Vec::len)
            + self.payload.as_ref().map_or(0, Vec::len)
            + headers
    }

    /// The id of the schema it claims to be written with, if it is framed the Confluent way.
    pub fn schema_id(&self) -> Option<u32> {
        match self.payload.as_deref()? {
            [0, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => None,
        }
    }
}
