//! From bytes to an event, or to the reason why not.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use events::{DomainEvent, EventType};
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};

use crate::framing::{self, PAYLOAD_BYTES_MAX};
use crate::{Fault, Registry, RegistryError, SchemaError, WriterSchema};

/// Levels of unions, records and lists in one datum; ours have three.
const DEPTH_MAX: usize = 16;
/// Items of one list. Events have no lists; a newer writer's are skipped.
const ITEMS_MAX: usize = 65_536;

/// Reads the payload of one event.
pub trait Decode<E>: Send + Sync {
    /// The event, if the payload is exactly one.
    fn decode(&self, payload: &[u8]) -> Result<E, DecodeError>;
}

/// Reads events with the schemas they were written with, by `serde_avro_fast`.
///
/// Fields that this program does not know are skipped, optional ones that the writer did not know are `None`. An event
/// of an older version is what that version meant, lifted to the newest. A writer newer than this program is read as
/// the newest version that it knows, which compatibility allows.
pub struct Decoder<E> {
    source: Source,
    /// In the order of `E::TYPES`.
    records: Vec<Versions>,
    event: PhantomData<fn() -> E>,
}

/// What is known of one event type.
struct Versions {
    name: &'static str,
    full_name: String,
    newest: u32,
    /// The schemas of versions 1, 2 …; empty where all versions are read alike, so that nothing is looked up.
    schemas: Vec<WriterSchema>,
}

impl Versions {
    fn of(event_type: &EventType) -> Self {
        let parse = |text: &&str| WriterSchema::parse(text).expect("a test compiles every committed schema");
        let are_lifted = event_type.lifted_through > 0;
        Self {
            name: event_type.name,
            full_name: parse(&event_type.schema).full_name().to_owned(),
            newest: event_type.version,
            schemas: event_type.history.iter().filter(|_| are_lifted).map(parse).collect(),
        }
    }

    /// The version that wrote with this schema; a schema that is none of them is newer than this program.
    fn writer(&self, schema: &WriterSchema) -> u32 {
        let versions = (1..).zip(&self.schemas);
        let mut same = versions.filter(|(_, known)| known.has_fields_of(schema));
        same.next().map_or(self.newest, |(version, _)| version)
    }
}

enum Source {
    Registry(Registry),
    Fixed(HashMap<u32, Arc<WriterSchema>>),
}

/// Why a payload is not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DecodeError {
    /// Not framed.
    #[error("the payload has {bytes} bytes, fewer than a schema id needs")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
    /// No event is that long.
    #[error("the payload has {bytes} bytes; at most {PAYLOAD_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not framed as Confluent's clients do.
    #[error("the payload begins with byte {0:#04x} instead of 0x00")]
    Magic(u8),
    /// The schema is not in memory; [`Registry::schema`] or [`Decoder::decode_loading`] fetches it.
    #[error("schema {0} is not loaded yet")]
    SchemaNotLoaded(u32),
    /// The registry says that there is no such schema.
    #[error("schema {0} is unknown to the registry")]
    SchemaUnknown(u32),
    /// The registry has it, but it is no schema of an event.
    #[error("schema {id} cannot be used: {reason}")]
    SchemaUnusable {
        /// The schema's id.
        id: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry could not be asked.
    #[error("schema {id} could not be fetched")]
    Registry {
        /// The schema's id.
        id: u32,
        /// What went wrong.
        source: RegistryError,
    },
    /// A schema of something else.
    #[error("schema {id} is of {record}, which is no {expected} event")]
    ForeignRecord {
        /// The schema's id.
        id: u32,
        /// The record it describes.
        record: String,
        /// The aggregate type whose events are expected.
        expected: &'static str,
    },
    /// The bytes do not follow the schema, or the values do not fit the event.
    #[error("the datum is no {event_type} as of schema {id}: {reason}")]
    Datum {
        /// The schema's id.
        id: u32,
        /// The event type it describes.
        event_type: &'static str,
        /// What the Avro library said.
        reason: String,
    },
    /// A whole event, and then some.
    #[error("{bytes} bytes follow the {event_type}")]
    Trailing {
        /// How many.
        bytes: usize,
        /// The event that ended before them.
        event_type: &'static str,
    },
}

impl DecodeError {
    /// Whether waiting helps, or nothing does.
    pub fn fault(&self) -> Fault {
        match self {
            Self::SchemaNotLoaded(_) => Fault::Transient,
            Self::Registry { source, .. } if source.is_transient() => Fault::Transient,
            _ => Fault::Poison,
        }
    }
}

impl<E: DomainEvent> Decoder<E> {
    /// A decoder that finds writers' schemas in the registry's cache.
    pub fn new(registry: Registry) -> Self {
        Self { source: Source::Registry(registry), records: versions::<E>(), event: PhantomData }
    }

    /// A decoder that knows only these schemas: of older files, of tests.
    pub fn with_schemas<'a>(known: impl IntoIterator<Item = (u32, &'a str)>) -> Result<Self, SchemaError> {
        let compiled = |(id, text)| Ok((id, Arc::new(WriterSchema::parse(text)?)));
        let known = known.into_iter().map(compiled).collect::<Result<_, _>>()?;
        Ok(Self { source: Source::Fixed(known), records: versions::<E>(), event: PhantomData })
    }

    /// [`Decode::decode`], fetching the schema first if it is not in memory.
    pub async fn decode_loading(&self, payload: &[u8]) -> Result<E, DecodeError> {
        match (self.decode(payload), &self.source) {
            (Err(DecodeError::SchemaNotLoaded(id)), Source::Registry(registry)) => {
                let schema = registry.schema(id).await.map_err(|e| not_fetched(id, e))?;
                self.datum(id, &schema, framing::split(payload)?.1)
            }
            (decoded, _) => decoded,
        }
    }

    fn datum(&self, id: u32, schema: &WriterSchema, datum: &[u8]) -> Result<E, DecodeError> {
        let record = schema.full_name();
        let Some(versions) = self.records.iter().find(|known| known.full_name == record) else {
            let expected = E::AGGREGATE_TYPE;
            return Err(DecodeError::ForeignRecord { id, record: record.to_owned(), expected });
        };
        let event_type = versions.name;
        let mut state = bounded_state(schema, datum);
        let event = E::deserialize_record(event_type, versions.writer(schema), state.deserializer())
            .expect("the name is one of TYPES")
            .map_err(|e| DecodeError::Datum { id, event_type, reason: bounded(&e.to_string()) })?;
        whole(event, state, event_type)
    }
}

/// What reads a datum, within bounds of depth and of the items of a list.
pub(crate) fn bounded_state<'a>(
    schema: &'a WriterSchema,
    datum: &'a [u8],
) -> DeserializerState<'a, SliceRead<'a>> {
    let mut config = DeserializerConfig::new(schema.compiled());
    config.allowed_depth = DEPTH_MAX;
    config.max_seq_size = ITEMS_MAX;
    DeserializerState::with_config(SliceRead::new(datum), config)
}

/// What was read, if nothing is left behind it.
pub(crate) fn whole<T>(
    value: T,
    state: DeserializerState<'_, SliceRead<'_>>,
    event_type: &'static str,
) -> Result<T, DecodeError> {
    match remaining(state.into_reader()) {
        0 => Ok(value),
        bytes => Err(DecodeError::Trailing { bytes, event_type }),
    }
}

impl<E: DomainEvent> Decode<E> for Decoder<E> {
    fn decode(&self, payload: &[u8]) -> Result<E, DecodeError> {
        let (id, datum) = framing::split(payload)?;
        let schema = match &self.source {
            Source::Registry(registry) => match registry.cached(id) {
                Some(answer) => answer.map_err(|e| not_fetched(id, e))?,
                None => return Err(DecodeError::SchemaNotLoaded(id)),
            },
            Source::Fixed(known) => known.get(&id).cloned().ok_or(DecodeError::SchemaUnknown(id))?,
        };
        self.datum(id, &schema, datum)
    }
}

impl<E> fmt::Debug for Decoder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.records.iter().map(|known| &known.full_name)).finish()
    }
}

fn versions<E: DomainEvent>() -> Vec<Versions> {
    E::TYPES.iter().map(Versions::of).collect()
}

pub(crate) fn not_fetched(id: u32, error: RegistryError) -> DecodeError {
    match error {
        RegistryError::NotFound { .. } => DecodeError::SchemaUnknown(id),
        RegistryError::Unusable { reason, .. } => DecodeError::SchemaUnusable { id, reason },
        source => DecodeError::Registry { id, source },
    }
}

fn remaining(mut reader: SliceRead<'_>) -> usize {
    std::io::BufRead::fill_buf(&mut reader).map_or(0, <[u8]>::len)
}

/// Error texts quote the payload; a parked event's reason must stay readable.
pub(crate) fn bounded(reason: &str) -> String {
    match reason.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions_tests;
