//! From events to what is stored, and back.

use events::{DomainEvent, EventId, Metadata, Recorded};
use wire::{DecodeError, Decoder, EncodeError, Encoder, PrepareError, Registry};

use crate::{NewEvent, StoredEvent};

/// Writes and reads the payloads of one aggregate's events.
#[derive(Debug)]
pub struct Codec<E> {
    encoder: Encoder<E>,
    decoder: Decoder<E>,
}

impl<E: DomainEvent> Codec<E> {
    /// A codec with the registry's ids; every schema must be registered.
    pub async fn prepare(registry: &Registry) -> Result<Self, PrepareError> {
        let encoder = Encoder::prepare(registry).await?;
        Ok(Self { encoder, decoder: Decoder::new(registry.clone()) })
    }

    /// A codec without a registry, for tests: see [`Encoder::with_ids`].
    pub fn with_ids(first_id: u32) -> Result<Self, PrepareError> {
        let encoder = Encoder::with_ids(first_id)?;
        let decoder = encoder.decoder();
        Ok(Self { encoder, decoder })
    }

    /// The event as it is appended.
    pub fn new_event(
        &self,
        event: &E,
        event_id: EventId,
        metadata: Metadata,
    ) -> Result<NewEvent, EncodeError> {
        Ok(NewEvent {
            event_id,
            event_type: event.event_type().to_owned(),
            payload: self.encoder.encode(event)?,
            data: self.encoder.to_json(event),
            metadata,
            occurred_at: event.occurred_at(),
        })
    }

    /// A stored event with its payload read.
    pub async fn recorded(&self, stored: StoredEvent) -> Result<Recorded<E>, CodecError> {
        let read = self.decoder.decode_loading(&stored.payload).await;
        match read {
            Ok(payload) => Ok(stored.into_recorded(payload)),
            Err(source) => Err(CodecError { event_id: stored.event_id, version: stored.version, source }),
        }
    }
}

/// A stored payload is unreadable.
#[derive(Debug, thiserror::Error)]
#[error("stored event {event_id}, version {version}, cannot be read")]
pub struct CodecError {
    /// Which event.
    pub event_id: EventId,
    /// Its version.
    pub version: u64,
    /// Why not.
    pub source: DecodeError,
}
