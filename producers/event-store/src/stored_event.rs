//! An event as the store has it.

use events::{AggregateId, EventId, Metadata, Recorded, TenantId, Timestamp};

/// One row of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Place in the store; rises, with gaps.
    pub position: u64,
    /// Whose data it is.
    pub tenant: TenantId,
    /// Whose event it is.
    pub aggregate_id: AggregateId,
    /// The kind of aggregate.
    pub aggregate_type: String,
    /// Place among the aggregate's events: 1, 2, 3 … without a gap.
    pub version: u64,
    /// Its name for ever.
    pub event_id: EventId,
    /// Name of its Avro record.
    pub event_type: String,
    /// Avro in Confluent framing: the truth.
    pub payload: Vec<u8>,
    /// Why it exists.
    pub metadata: Metadata,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When the store wrote it.
    pub recorded_at: Timestamp,
    /// The transaction that wrote it; 0 in memory.
    pub transaction_id: u64,
}

impl StoredEvent {
    /// The same with its payload decoded.
    pub fn into_recorded<E>(self, payload: E) -> Recorded<E> {
        Recorded {
            tenant: self.tenant,
            aggregate_id: self.aggregate_id,
            version: self.version,
            event_id: self.event_id,
            recorded_at: self.recorded_at,
            metadata: self.metadata,
            payload,
        }
    }
}
