//! Two Avro implementations must agree on every event.

use events::{DomainEvent, EventType, each_event_set};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arbitrary::event;

pub(crate) fn type_of<E: DomainEvent>(event: &E) -> &'static EventType {
    E::TYPES.iter().find(|t| t.name == event.event_type()).unwrap()
}

/// serde_avro_fast: what the program uses.
pub(crate) mod fast {
    use std::io::BufRead;

    use serde_avro_fast::Schema;
    use serde_avro_fast::de::{DeError, DeserializerState};
    use serde_avro_fast::ser::{SerializerConfig, SerializerState};

    use super::*;

    pub(crate) fn encode<E: DomainEvent>(event: &E) -> Vec<u8> {
        let schema: Schema = type_of(event).schema.parse().unwrap();
        let mut config = SerializerConfig::new(&schema);
        let mut state = SerializerState::from_writer(Vec::new(), &mut config);
        event.serialize_record(state.serializer()).unwrap();
        state.into_writer()
    }

    /// What a version of a type wrote, as it reads today.
    pub(crate) fn decode<E: DomainEvent>(
        event_type: &EventType,
        version: u32,
        datum: &[u8],
    ) -> Result<E, DeError> {
        let schema: Schema = event_type.history[version as usize - 1].parse().unwrap();
        let mut state = DeserializerState::from_slice(datum, &schema);
        let event = E::deserialize_record(event_type.name, version, state.deserializer()).unwrap()?;
        match state.into_reader().fill_buf() {
            Ok([]) => Ok(event),
            _ => Err(serde::de::Error::custom("bytes follow")),
        }
    }
}

/// apache-avro: the second opinion.
pub(crate) mod apache {
    use std::cell::Cell;

    use apache_avro::Schema;
    use apache_avro::reader::datum::GenericDatumReader;
    use apache_avro::writer::datum::GenericDatumWriter;

    use super::*;

    thread_local! {
        /// Which type [`Record`] reads: the library asks for a type that reads itself, and ours is one of several.
        static READ: Cell<Option<&'static EventType>> = const { Cell::new(None) };
    }

    struct Record<E>(E);

    impl<E: DomainEvent> Serialize for Record<&E> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize_record(serializer)
        }
    }

    impl<'de, E: DomainEvent> Deserialize<'de> for Record<E> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let event_type = READ.get().unwrap();
            E::deserialize_record(event_type.name, event_type.version, deserializer).unwrap().map(Self)
        }
    }

    pub(crate) fn encode<E: DomainEvent>(event: &E) -> Vec<u8> {
        let schema = Schema::parse_str(type_of(event).schema).unwrap();
        let writer = GenericDatumWriter::builder(&schema).human_readable(true).build().unwrap();
        writer.write_ser_to_vec(&Record(event)).unwrap()
    }

    /// The event, if the datum is exactly one of the newest version.
    pub(crate) fn decode<E: DomainEvent>(event_type: &'static EventType, mut datum: &[u8]) -> Option<E> {
        fn read<T: DeserializeOwned>(schema: &Schema, datum: &mut &[u8]) -> Option<T> {
            let reader = GenericDatumReader::builder(schema).human_readable(true).build().unwrap();
            reader.read_deser(datum).ok()
        }
        READ.set(Some(event_type));
        let Record(event) = read(&Schema::parse_str(event_type.schema).unwrap(), &mut datum)?;
        datum.is_empty().then_some(event)
    }
}

fn agree<E: DomainEvent>(event: &E) {
    let event_type = type_of(event);
    let datum = fast::encode(event);
    assert_eq!(apache::encode(event), datum);
    assert_eq!(&fast::decode::<E>(event_type, event_type.version, &datum).unwrap(), event);
    assert_eq!(apache::decode::<E>(event_type, &datum).as_ref(), Some(event));
}

#[test]
fn both_implementations_write_the_same_bytes_and_read_the_same_event() {
    each_event_set!(E => { proptest!(|(event in event::<E>())| agree(&event)) });
}

#[test]
fn what_is_read_from_damaged_bytes_the_second_opinion_reads_too() {
    apache_avro::util::max_allocation_bytes(1024 * 1024);
    each_event_set!(E => {
        proptest!(|(
            event in event::<E>(),
            at in any::<prop::sample::Index>(),
            flip: u8,
            cut in 0_usize..4,
            more in prop::collection::vec(any::<u8>(), 0..3),
        )| {
            let event_type = type_of(&event);
            let mut datum = fast::encode(&event);
            let at = at.index(datum.len());
            datum[at] ^= flip;
            datum.truncate(datum.len() - cut);
            datum.extend(more);
            // Not the other way round: apache-avro lets integers overflow.
            if let Ok(read) = fast::decode::<E>(event_type, event_type.version, &datum) {
                prop_assert_eq!(apache::decode::<E>(event_type, &datum), Some(read));
            }
        })
    });
}

#[test]
fn json_reads_back_as_the_same_event() {
    each_event_set!(E => {
        proptest!(|(event in event::<E>())| {
            let json = event.serialize_record(serde_json::value::Serializer).unwrap();
            let event_type = type_of(&event);
            let back = E::deserialize_record(event_type.name, event_type.version, json).unwrap().unwrap();
            prop_assert_eq!(back, event);
        })
    });
}
