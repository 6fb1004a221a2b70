//! From events to what is stored, and back.

use std::sync::Arc;

use events::{AggregateId, DomainEvent, EventId, Metadata, Recorded, TenantId};
use personal_data::{Keyring, Place, SubjectId, SubjectKey, pin, refuse_sealed, unpin};
use serde_json::Value;
use wire::{DecodeError, Decoder, EncodeError, Encoder, PrepareError, Registry};

use crate::{NewEvent, StoredEvent};

/// Writes and reads the payloads of one aggregate's events.
///
/// With a keyring, no personal text is written unless a data subject's key seals it: that of the subject the caller
/// names, else that of the actor (people speak about themselves first). An event with personal texts of which neither is
/// known is refused. Without a keyring texts are written as they are, and a caller who names a subject is refused.
#[derive(Debug)]
pub struct Codec<E> {
    encoder: Encoder<E>,
    decoder: Decoder<E>,
    keyring: Option<Arc<Keyring>>,
}

impl<E: DomainEvent> Codec<E> {
    /// A codec with the registry's ids; every schema must be registered.
    pub async fn prepare(registry: &Registry) -> Result<Self, PrepareError> {
        let encoder = Encoder::prepare(registry).await?;
        Ok(Self { encoder, decoder: Decoder::new(registry.clone()), keyring: None })
    }

    /// A codec without a registry, for tests: see [`Encoder::with_ids`].
    pub fn with_ids(first_id: u32) -> Result<Self, PrepareError> {
        let encoder = Encoder::with_ids(first_id)?;
        let decoder = encoder.decoder();
        Ok(Self { encoder, decoder, keyring: None })
    }

    /// The same, with the keys of data subjects, where there are any.
    #[must_use]
    pub fn with_keyring(self, keyring: impl Into<Option<Arc<Keyring>>>) -> Self {
        Self { keyring: keyring.into(), ..self }
    }

    /// The key that seals the personal texts of these events; none when they have none, or when there is no keyring.
    pub async fn key_for(
        &self,
        tenant: &TenantId,
        subject: Option<&SubjectId>,
        metadata: &Metadata,
        events: &[E],
    ) -> Result<Option<Arc<SubjectKey>>, NewEventError> {
        let Some(keyring) = &self.keyring else {
            return match subject {
                Some(subject) => Err(NewEventError::NoKeyring { subject: subject.clone() }),
                None => Ok(None),
            };
        };
        let Some((event_type, field)) = events.iter().find_map(first_personal) else { return Ok(None) };
        let actor = || metadata.actor.as_deref().and_then(|actor| actor.parse().ok());
        let subject =
            subject.cloned().or_else(actor).ok_or(NewEventError::NoSubject { event_type, field })?;
        let sealing = |source| NewEventError::Key { subject: subject.clone(), source };
        keyring.key_of(tenant, &subject).await.map(Some).map_err(sealing)
    }

    /// The event as it is appended at its place, its personal texts sealed by the key from [`Self::key_for`].
    pub fn new_event(
        &self,
        place: &Place<'_>,
        event: &E,
        metadata: Metadata,
        key: Option<&SubjectKey>,
    ) -> Result<NewEvent, NewEventError> {
        let event_type = event.event_type();
        let field = |source| NewEventError::Field { event_type, source };
        if !may_be_personal::<E>(event_type) {
            let plain = self.unsealed(event, place.event_id, metadata)?;
            refuse_others_sealed(&plain.data, &[]).map_err(field)?;
            return Ok(plain);
        }
        let mut sealed = event.clone();
        let mut personal = sealed.personal();
        let done = match (key, personal.first()) {
            (Some(key), _) => key.seal(*place, personal),
            (None, Some((field, _))) if self.keyring.is_some() => {
                return Err(NewEventError::NoSubject { event_type, field });
            }
            (None, _) => personal.iter_mut().try_for_each(|(field, text)| refuse_sealed(field, text)),
        };
        done.map_err(field)?;
        let texts: Vec<String> = sealed.personal().into_iter().map(|(_, text)| text.clone()).collect();
        let new = self.unsealed(&sealed, place.event_id, metadata)?;
        refuse_others_sealed(&new.data, &texts).map_err(field)?;
        Ok(new)
    }

    /// The event with its texts as they are: for plans, which [`Self::sealed`] makes into what is appended.
    pub fn unsealed(
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

    /// A planned event of an aggregate as it is appended.
    pub async fn sealed(
        &self,
        tenant: &TenantId,
        subject: Option<&SubjectId>,
        planned: NewEvent,
    ) -> Result<NewEvent, NewEventError> {
        if let Some(known) =
            E::TYPES.iter().find(|known| known.name == planned.event_type && known.personal.is_empty())
        {
            let field = |source| NewEventError::Field { event_type: known.name, source };
            refuse_others_sealed(&planned.data, &[]).map_err(field)?;
            return Ok(planned);
        }
        let event = self.decoder.decode_loading(&planned.payload).await?;
        let key = self.key_for(tenant, subject, &planned.metadata, std::slice::from_ref(&event)).await?;
        let NewEvent { event_id, metadata, .. } = planned;
        let place = Place { tenant, aggregate_id: event.aggregate_id(), event_id };
        self.new_event(&place, &event, metadata, key.as_deref())
    }

    /// A stored event with its payload read and its personal texts opened: `[erased]` where the key was destroyed, sealed
    /// as they are where there is no keyring.
    pub async fn recorded(&self, stored: StoredEvent) -> Result<Recorded<E>, CodecError> {
        let (mut recorded, keyring) = (self.decode(stored).await?, self.keyring.as_ref());
        if let Some(keyring) = keyring.filter(|_| may_be_personal::<E>(recorded.payload.event_type())) {
            let Recorded { tenant, aggregate_id, event_id, version, payload, .. } = &mut recorded;
            let place = Place { tenant, aggregate_id: *aggregate_id, event_id: *event_id };
            let opened = keyring.open(place, payload.personal()).await;
            opened.map_err(|source| CodecError::Open { event_id: *event_id, version: *version, source })?;
        }
        Ok(recorded)
    }

    /// A stored event with its payload read and its personal texts pinned: sealed as they are, and ready to be opened
    /// from a state that they are folded into ([`Self::open_state`]).
    pub(crate) async fn pinned(&self, stored: StoredEvent) -> Result<Recorded<E>, CodecError> {
        let mut recorded = self.decode(stored).await?;
        let event_id = recorded.event_id;
        for (field, text) in recorded.payload.personal() {
            pin(event_id, field, text);
        }
        Ok(recorded)
    }

    /// Opens the pinned texts in an aggregate's state; without a keyring they are as [`Self::recorded`] leaves them.
    pub(crate) async fn open_state(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        state: &mut Value,
    ) -> Result<(), personal_data::Error> {
        let mut values = vec![state];
        while let Some(value) = values.pop() {
            match (value, &self.keyring) {
                (Value::String(text), Some(keyring)) => {
                    keyring.open_pinned(tenant, aggregate_id, text).await?;
                }
                (Value::String(text), None) => unpin(text),
                (Value::Array(items), _) => values.extend(items),
                (Value::Object(fields), _) => values.extend(fields.values_mut()),
                (Value::Null | Value::Bool(_) | Value::Number(_), _) => {}
            }
        }
        Ok(())
    }

    async fn decode(&self, stored: StoredEvent) -> Result<Recorded<E>, CodecError> {
        let read = self.decoder.decode_loading(&stored.payload).await;
        match read {
            Ok(payload) => Ok(stored.into_recorded(payload)),
            Err(source) => {
                let StoredEvent { event_id, version, .. } = stored;
                Err(CodecError::Decode { event_id, version, source })
            }
        }
    }
}

/// Whether events of that type have fields about people.
fn may_be_personal<E: DomainEvent>(event_type: &str) -> bool {
    E::TYPES.iter().any(|known| known.name == event_type && !known.personal.is_empty())
}

/// Refuses a text of an event that begins like a sealed one and is none of its personal texts: in a state nobody could tell
/// the two apart.
fn refuse_others_sealed(data: &Value, personal: &[String]) -> Result<(), personal_data::Error> {
    let mut values = vec![(String::new(), data)];
    while let Some((path, value)) = values.pop() {
        let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            Value::String(text) if !personal.contains(text) => refuse_sealed(&path, text)?,
            Value::Array(items) => {
                values.extend((0..).zip(items).map(|(i, item)| (at(&i.to_string()), item)))
            }
            Value::Object(fields) => values.extend(fields.iter().map(|(name, field)| (at(name), field))),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    Ok(())
}

/// The event's type and the first of its personal texts that is there.
fn first_personal<E: DomainEvent>(event: &E) -> Option<(&'static str, &'static str)> {
    let event_type = event.event_type();
    if !may_be_personal::<E>(event_type) {
        return None;
    }
    event.clone().personal().first().map(|(field, _)| (event_type, *field))
}

/// An event that is not to be stored as it is.
#[derive(Debug, thiserror::Error)]
pub enum NewEventError {
    /// It says something about a person, and nobody knows whom.
    #[error(
        "{event_type} has the personal field {field}, but the command names no data subject, nor an actor who could be one"
    )]
    NoSubject {
        /// The event's type.
        event_type: &'static str,
        /// Its first personal field that is there.
        field: &'static str,
    },
    /// There is nothing to seal with.
    #[error("the command is about data subject {subject}, but this program was given no master key")]
    NoKeyring {
        /// The data subject.
        subject: SubjectId,
    },
    /// The subject's key is not to be had.
    #[error("the key of data subject {subject} is not to be had")]
    Key {
        /// The data subject.
        subject: SubjectId,
        /// Why not.
        source: personal_data::Error,
    },
    /// One of its texts cannot be stored.
    #[error("{event_type} cannot be sealed")]
    Field {
        /// The event's type.
        event_type: &'static str,
        /// Which field and why not.
        source: personal_data::Error,
    },
    /// It cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// What was planned cannot be read.
    #[error("the planned event cannot be read")]
    Planned(#[from] DecodeError),
}

impl NewEventError {
    /// Whether the same may succeed later with nobody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Key { source, .. } if source.is_transient())
    }
}

/// A stored payload is unreadable.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It does not decode.
    #[error("stored event {event_id}, version {version}, cannot be read")]
    Decode {
        /// Which event.
        event_id: EventId,
        /// Its version.
        version: u64,
        /// Why not.
        source: DecodeError,
    },
    /// A personal text does not open, though its key was not destroyed.
    #[error("the personal fields of stored event {event_id}, version {version}, cannot be opened")]
    Open {
        /// Which event.
        event_id: EventId,
        /// Its version.
        version: u64,
        /// Why not.
        source: personal_data::Error,
    },
}

impl CodecError {
    /// Whether the same may succeed later with nobody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.is_transient())
    }
}
