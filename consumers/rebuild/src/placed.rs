//! Events as the store has them.

use events::{AggregateId, Digest, DomainEvent, Recorded};
use kafka::{RowKey, Source};

/// A row that came from the store has no offset.
pub const NO_OFFSET: i64 = -1;

/// An event as the store has it, at its position.
#[derive(Debug)]
pub struct Placed<E> {
    /// Where in the store.
    pub position: u64,
    /// The event, or which one cannot be read.
    pub event: Result<Recorded<E>, Unreadable>,
    /// Of its payload as it is stored.
    pub payload: Digest,
}

/// An event that cannot be read: a projector would park it.
#[derive(Debug)]
pub struct Unreadable {
    /// Whose it is.
    pub key: RowKey,
    /// Its version.
    pub version: u64,
}

impl<E: DomainEvent> Placed<E> {
    /// Whose it is.
    pub(crate) fn key(&self) -> RowKey {
        match &self.event {
            Ok(event) => RowKey { tenant: event.tenant.clone(), aggregate_id: event.aggregate_id },
            Err(unreadable) => unreadable.key.clone(),
        }
    }

    pub(crate) fn aggregate_id(&self) -> AggregateId {
        self.event.as_ref().map_or_else(|unreadable| unreadable.key.aggregate_id, |event| event.aggregate_id)
    }

    pub(crate) fn version(&self) -> u64 {
        self.event.as_ref().map_or_else(|unreadable| unreadable.version, |event| event.version)
    }

    /// Where its row comes from, if it can be read.
    pub(crate) fn source(&self) -> Option<Source> {
        let event = self.event.as_ref().ok()?;
        Some(Source {
            offset: NO_OFFSET,
            occurred_at: event.payload.occurred_at(),
            recorded_at: event.recorded_at,
        })
    }
}
