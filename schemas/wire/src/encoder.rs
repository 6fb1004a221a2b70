//! From an event to bytes.
//!
//! `serde_avro_fast` writes, because it reads: one understanding of a schema on both sides, one allocation, a third of
//! apache-avro's time. apache-avro is the second opinion: the tests hold both to the same bytes, for every type.

use std::fmt;
use std::marker::PhantomData;

use events::{DomainEvent, EventType};
use serde_avro_fast::ser::{SerializerConfig, SerializerState};

use crate::framing::{self, PAYLOAD_BYTES_MAX};
use crate::{Decoder, Registry, RegistryError, SchemaError, WriterSchema};

/// Writes events in the newest version of their schemas.
pub struct Encoder<E> {
    types: Vec<Prepared>,
    event: PhantomData<fn(&E)>,
}

struct Prepared {
    name: &'static str,
    version: u32,
    id: u32,
    schema: WriterSchema,
    text: &'static str,
}

/// Why an encoder could not be made ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PrepareError {
    /// Nobody registered the schema yet.
    #[error("subject {subject} does not have version {version} of the schema; run `millrace schema publish`")]
    NotPublished {
        /// Where it should be.
        subject: String,
        /// The version that this program writes.
        version: u32,
    },
    /// The registry did not answer.
    #[error("the id of subject {subject} could not be looked up")]
    Registry {
        /// What was looked up.
        subject: String,
        /// What the registry said.
        source: RegistryError,
    },
    /// A schema of this program is unusable.
    #[error("the schema of {event_type} cannot be used")]
    Schema {
        /// Whose schema.
        event_type: &'static str,
        /// What is wrong with it.
        source: SchemaError,
    },
}

impl PrepareError {
    /// Whether the same call may succeed later with nobody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Registry { source, .. } if source.is_transient())
    }
}

/// Why an event could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The value does not fit its schema: a fault of this program.
    #[error("{event_type} does not fit its schema: {reason}")]
    Mismatch {
        /// What was to be written.
        event_type: &'static str,
        /// What the Avro library said.
        reason: String,
    },
    /// Events are written in the newest version; an older one has no room for what they say now.
    #[error(
        "{event_type} is asked for as version {asked}, but is written as version {newest} only: older events are lifted, newer ones are never lowered"
    )]
    OtherVersion {
        /// What was to be written.
        event_type: &'static str,
        /// The version that was asked for.
        asked: u32,
        /// The version there is.
        newest: u32,
    },
    /// It would be stored but could not be published.
    #[error("{event_type} takes {bytes} bytes; at most {PAYLOAD_BYTES_MAX} are allowed")]
    TooLong {
        /// What was to be written.
        event_type: &'static str,
        /// How long it would be.
        bytes: usize,
    },
}

impl<E: DomainEvent> Encoder<E> {
    /// Looks up the id of each event type's newest schema; registers nothing.
    pub async fn prepare(registry: &Registry) -> Result<Self, PrepareError> {
        let mut types = Vec::with_capacity(E::TYPES.len());
        for event_type in E::TYPES {
            let schema = parse(event_type)?;
            let subject = format!("{}-{}", E::TOPIC, schema.full_name());
            let id = match registry.id_of(&subject, event_type.schema).await {
                Ok(id) => id,
                Err(RegistryError::NotRegistered { .. }) => {
                    return Err(PrepareError::NotPublished { subject, version: event_type.version });
                }
                Err(source) => return Err(PrepareError::Registry { subject, source }),
            };
            types.push(Prepared {
                name: event_type.name,
                version: event_type.version,
                id,
                schema,
                text: event_type.schema,
            });
        }
        Ok(Self { types, event: PhantomData })
    }

    /// An encoder without a registry: the schemas of `E::TYPES` get the ids `first_id`, `first_id + 1` and so on.
    pub fn with_ids(first_id: u32) -> Result<Self, PrepareError> {
        let prepared = |(event_type, id): (&EventType, u32)| {
            let EventType { name, version, schema: text, .. } = *event_type;
            Ok(Prepared { name, version, id, schema: parse(event_type)?, text })
        };
        let types = E::TYPES.iter().zip(first_id..).map(prepared).collect::<Result<_, _>>()?;
        Ok(Self { types, event: PhantomData })
    }

    /// A decoder that knows exactly the schemas this encoder writes, and asks no registry.
    pub fn decoder(&self) -> Decoder<E> {
        let known = self.types.iter().map(|t| (t.id, t.text));
        Decoder::with_schemas(known).expect("the encoder compiled the same texts")
    }

    /// The bytes of an event: zero byte, schema id, datum.
    pub fn encode(&self, event: &E) -> Result<Vec<u8>, EncodeError> {
        let event_type = event.event_type();
        let prepared = self.types.iter().find(|t| t.name == event_type).expect("event_type is one of TYPES");
        let mut config = SerializerConfig::new(prepared.schema.compiled());
        let mut state = SerializerState::from_writer(framing::prefix(prepared.id), &mut config);
        event
            .serialize_record(state.serializer())
            .map_err(|e| EncodeError::Mismatch { event_type, reason: e.to_string() })?;
        let payload = state.into_writer();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(EncodeError::TooLong { event_type, bytes: payload.len() });
        }
        Ok(payload)
    }

    /// [`Self::encode`] for whoever was asked for a certain version of the schema, such as a service that hands events to
    /// readers which name theirs: the newest, or an error with its name. The store and the topics take [`Self::encode`].
    pub fn encode_as(&self, event: &E, version: u32) -> Result<Vec<u8>, EncodeError> {
        let event_type = event.event_type();
        let newest = self.types.iter().find(|t| t.name == event_type).map_or(0, |t| t.version);
        if version != newest {
            return Err(EncodeError::OtherVersion { event_type, asked: version, newest });
        }
        self.encode(event)
    }

    /// The event for people and SQL: the record's fields by their Avro names, times in microseconds, money in
    /// nano-USD. Derived, never read back by code.
    pub fn to_json(&self, event: &E) -> serde_json::Value {
        event
            .serialize_record(serde_json::value::Serializer)
            .expect("records are strings, integers and nulls")
    }

    /// The subjects and ids in use, for reports.
    pub fn ids(&self) -> impl Iterator<Item = (String, u32)> + '_ {
        self.types.iter().map(|t| (format!("{}-{}", E::TOPIC, t.schema.full_name()), t.id))
    }
}

impl<E> fmt::Debug for Encoder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.types.iter().map(|t| (t.name, t.id))).finish()
    }
}

fn parse(event_type: &EventType) -> Result<WriterSchema, PrepareError> {
    WriterSchema::parse(event_type.schema)
        .map_err(|source| PrepareError::Schema { event_type: event_type.name, source })
}
