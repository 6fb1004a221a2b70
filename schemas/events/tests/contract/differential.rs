//! Two Avro implementations must agree on every event.

use events::{DomainEvent, ExecutionEvent};
use proptest::prelude::*;
use serde::{Serialize, Serializer};

use crate::arbitrary::event;

fn schema_of(event_type: &str) -> &'static str {
    ExecutionEvent::TYPES.iter().find(|t| t.name == event_type).unwrap().schema
}

/// serde_avro_fast: what the program uses.
pub(crate) mod fast {
    use super::*;
    use serde_avro_fast::Schema;
    use serde_avro_fast::de::{DeError, DeserializerState};
    use serde_avro_fast::ser::{SerializerConfig, SerializerState};
    use std::io::BufRead;

    pub(crate) fn encode(event: &ExecutionEvent) -> Vec<u8> {
        let schema: Schema = schema_of(event.event_type()).parse().unwrap();
        let mut config = SerializerConfig::new(&schema);
        let mut state = SerializerState::from_writer(Vec::new(), &mut config);
        event.serialize_record(state.serializer()).unwrap();
        state.into_writer()
    }

    pub(crate) fn decode_as(schema: &str, event_type: &str, datum: &[u8]) -> Result<ExecutionEvent, DeError> {
        let schema: Schema = schema.parse().unwrap();
        let mut state = DeserializerState::from_slice(datum, &schema);
        let event = ExecutionEvent::deserialize_record(event_type, state.deserializer()).unwrap()?;
        match state.into_reader().fill_buf() {
            Ok([]) => Ok(event),
            _ => Err(serde::de::Error::custom("bytes follow")),
        }
    }
}

/// apache-avro: the second opinion.
pub(crate) mod apache {
    use super::*;
    use apache_avro::Schema;
    use apache_avro::reader::datum::GenericDatumReader;
    use apache_avro::writer::datum::GenericDatumWriter;
    use events::execution::*;

    struct Record<'a>(&'a ExecutionEvent);

    impl Serialize for Record<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize_record(serializer)
        }
    }

    pub(crate) fn encode(event: &ExecutionEvent) -> Vec<u8> {
        let schema = Schema::parse_str(schema_of(event.event_type())).unwrap();
        let writer = GenericDatumWriter::builder(&schema).human_readable(true).build().unwrap();
        writer.write_ser_to_vec(&Record(event)).unwrap()
    }

    pub(crate) fn decode(event_type: &str, datum: &[u8]) -> ExecutionEvent {
        try_decode(event_type, datum).unwrap()
    }

    /// The event, if the datum is exactly one.
    pub(crate) fn try_decode(event_type: &str, mut datum: &[u8]) -> Option<ExecutionEvent> {
        let schema = Schema::parse_str(schema_of(event_type)).unwrap();
        let reader = GenericDatumReader::builder(&schema).human_readable(true).build().unwrap();
        let datum = &mut datum;
        let event = match event_type {
            "ExecutionStarted" => reader.read_deser::<ExecutionStarted>(datum).ok()?.into(),
            "ModelCalled" => reader.read_deser::<ModelCalled>(datum).ok()?.into(),
            "ToolUsed" => reader.read_deser::<ToolUsed>(datum).ok()?.into(),
            "ExecutionCompleted" => reader.read_deser::<ExecutionCompleted>(datum).ok()?.into(),
            "ExecutionFailed" => reader.read_deser::<ExecutionFailed>(datum).ok()?.into(),
            "ExecutionCancelled" => reader.read_deser::<ExecutionCancelled>(datum).ok()?.into(),
            "ExecutionJudged" => reader.read_deser::<ExecutionJudged>(datum).ok()?.into(),
            other => panic!("{other} is new: add it here"),
        };
        datum.is_empty().then_some(event)
    }
}

proptest! {
    #[test]
    fn both_implementations_write_the_same_bytes_and_read_the_same_event(event in event()) {
        let datum = fast::encode(&event);
        prop_assert_eq!(&apache::encode(&event), &datum);
        let schema = schema_of(event.event_type());
        prop_assert_eq!(&fast::decode_as(schema, event.event_type(), &datum).unwrap(), &event);
        prop_assert_eq!(&apache::decode(event.event_type(), &datum), &event);
    }

    #[test]
    fn what_is_read_from_damaged_bytes_the_second_opinion_reads_too(
        event in event(),
        at in any::<prop::sample::Index>(),
        flip: u8,
        cut in 0_usize..4,
        more in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        apache_avro::util::max_allocation_bytes(1024 * 1024);
        let mut datum = fast::encode(&event);
        let at = at.index(datum.len());
        datum[at] ^= flip;
        datum.truncate(datum.len() - cut);
        datum.extend(more);
        // Not the other way round: apache-avro lets integers overflow.
        if let Ok(read) = fast::decode_as(schema_of(event.event_type()), event.event_type(), &datum) {
            prop_assert_eq!(apache::try_decode(event.event_type(), &datum), Some(read));
        }
    }

    #[test]
    fn json_reads_back_as_the_same_event(event in event()) {
        let json = event.serialize_record(serde_json::value::Serializer).unwrap();
        let back = ExecutionEvent::deserialize_record(event.event_type(), json).unwrap().unwrap();
        prop_assert_eq!(back, event);
    }
}
