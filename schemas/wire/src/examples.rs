//! The committed examples: as events, and as the payloads that every version made of them.

use std::path::{Path, PathBuf};

use events::execution::ExecutionCancelled;
use events::{DomainEvent, EventType, ExecutionEvent, Timestamp};

use crate::Decoder;

fn folder<E: DomainEvent>(event_type: &EventType) -> PathBuf {
    let avro = Path::new(env!("CARGO_MANIFEST_DIR")).join("../avro");
    avro.join(E::TOPIC).join(event_type.name).join("examples")
}

/// The full example of every type.
pub(crate) fn examples<E: DomainEvent>() -> Vec<E> {
    let example = |event_type: &EventType| {
        let text = std::fs::read_to_string(folder::<E>(event_type).join("full.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        E::deserialize_record(event_type.name, event_type.version, json).unwrap().unwrap()
    };
    E::TYPES.iter().map(example).collect()
}

/// The schema of every version of every type, with its id: 100, 101 …
fn schemas<E: DomainEvent>() -> impl Iterator<Item = (u32, &'static EventType, u32, &'static str)> {
    let versions = E::TYPES.iter().flat_map(|event_type| {
        (1..).zip(event_type.history).map(move |(version, text)| (event_type, version, *text))
    });
    (100..).zip(versions).map(|(id, (event_type, version, text))| (id, event_type, version, text))
}

/// A decoder that knows every version, and the ids it knows.
pub(crate) fn every_version<E: DomainEvent>() -> (Decoder<E>, Vec<u32>) {
    let decoder = Decoder::with_schemas(schemas::<E>().map(|(id, _, _, text)| (id, text))).unwrap();
    (decoder, schemas::<E>().map(|(id, ..)| id).collect())
}

/// The payload of every committed datum of every version, for that decoder.
pub(crate) fn committed<E: DomainEvent>() -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    for (id, event_type, version, _) in schemas::<E>() {
        let ends = format!(".{version}.hex");
        for entry in std::fs::read_dir(folder::<E>(event_type)).unwrap() {
            let path = entry.unwrap().path();
            if path.to_str().unwrap().ends_with(&ends) {
                payloads.push(framed(id, &unhex(&std::fs::read_to_string(path).unwrap())));
            }
        }
    }
    payloads
}

/// Zero byte, id, datum.
pub(crate) fn framed(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), datum].concat()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|byte| u8::from_str_radix(&String::from_iter(byte), 16).unwrap()).collect()
}

/// A small one.
pub(crate) fn cancelled() -> ExecutionEvent {
    ExecutionCancelled {
        execution_id: "018f3f5e-0000-7000-8000-000000000001".parse().unwrap(),
        occurred_at: Timestamp::from_micros(1_795_232_779_124_788),
        reason: "no longer needed".into(),
        cancelled_by: Some("somebody".into()),
    }
    .into()
}
