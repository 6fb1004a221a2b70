//! What has to hold for any bytes.

use std::sync::LazyLock;

use events::{DomainEvent, each_event_set};
use sha2::{Digest, Sha256};
use wire::{Decode, Decoder, Encoder, WriterSchema};

use crate::allocations::{Taken, counted};

/// What an event may take for each of its bytes, and beside them: its own texts, and a reason why not.
const OF_A_BYTE: usize = 4;
const BESIDE: usize = 4 * 1024;
/// The same of a schema's text, of which `[` alone makes a node.
const OF_A_LETTER: usize = 512;
const BESIDE_A_SCHEMA: usize = 64 * 1024;

/// Takes an input for a payload, and one that begins as JSON for a schema, a zero byte, and a datum of it.
pub(crate) fn take(input: &[u8]) {
    SETS.iter().for_each(|set| set(input));
    if input.first() == Some(&b'{') {
        let (text, datum) = match input.iter().position(|byte| *byte == 0) {
            Some(end) => (&input[..end], &input[end + 1..]),
            None => (input, &[][..]),
        };
        take_schema(&String::from_utf8_lossy(text), datum);
    }
}

type Set = Box<dyn Fn(&[u8]) + Send + Sync>;

/// For each event set, what its payloads have to stand. Schemas are compiled once.
static SETS: LazyLock<Vec<Set>> = LazyLock::new(|| {
    let mut sets = Vec::new();
    each_event_set!(E => { sets.push(set::<E>()) });
    sets
});

/// The id that the corpus knows a schema by: it stays when other types come and go.
fn id(event_type: &str, version: usize) -> u32 {
    let digest = Sha256::digest(format!("{event_type}.{version}"));
    u32::from_be_bytes(*digest.first_chunk().unwrap())
}

/// Payloads of any version of any event.
fn set<E: DomainEvent>() -> Set {
    let versions = E::TYPES.iter().flat_map(|event_type| {
        (1..).zip(event_type.history).map(|(version, text)| (id(event_type.name, version), *text))
    });
    let decoder = Decoder::<E>::with_schemas(versions).unwrap();
    let encoder = Encoder::<E>::with_ids(1).unwrap();
    let newest = encoder.decoder();
    Box::new(move |payload| {
        let (read, taken) = counted(|| decoder.decode(payload));
        is_bounded(taken, payload.len());
        // What was read is an event like any other: written anew, it is the same.
        if let Ok(event) = read {
            assert_eq!(newest.decode(&encoder.encode(&event).unwrap()).unwrap(), event);
        }
    })
}

/// A schema that a registry might give, and a datum that says it follows it.
fn take_schema(text: &str, datum: &[u8]) {
    let (schema, taken) = counted(|| WriterSchema::parse(text));
    let most = OF_A_LETTER * text.len() + BESIDE_A_SCHEMA;
    assert!(taken.bytes <= most, "a schema of {} bytes took {taken:?}", text.len());
    let Ok(schema) = schema else { return };
    let payload = [&[0, 0, 0, 0, 7], datum].concat();
    each_event_set!(E => {
        let decoder = Decoder::<E>::with_schemas([(7, text)]).unwrap();
        let (event, taken) = counted(|| decoder.decode(&payload));
        is_bounded(taken, payload.len() + schema.full_name().len());
        if let Ok(event) = event {
            let encoder = Encoder::<E>::with_ids(1).unwrap();
            assert_eq!(encoder.decoder().decode(&encoder.encode(&event).unwrap()).unwrap(), event);
        }
    });
}

fn is_bounded(taken: Taken, bytes: usize) {
    assert!(taken.bytes <= OF_A_BYTE * bytes + BESIDE, "{bytes} bytes took {taken:?}");
}
