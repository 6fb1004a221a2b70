//! Defaults and aliases are Rust's (`#[serde(default, alias)]`), since the library that reads resolves no schema of the
//! reader's: for every version of every event they have to be those of its schema.

use events::{AggregateId, DomainEvent, EventType, Timestamp, each_event_set};
use serde::{Deserialize, Serialize};
use serde_avro_fast::Schema;
use serde_avro_fast::de::DeserializerState;
use serde_avro_fast::ser::{SerializerConfig, SerializerState};
use serde_json::{Map, Value, json};

/// What a writer with this schema wrote, as the Rust type of that version reads it.
fn read<E: DomainEvent>(
    event_type: &EventType,
    version: u32,
    writer: &Value,
    record: &Map<String, Value>,
) -> Result<E, String> {
    let schema: Schema = writer.to_string().parse().unwrap();
    let mut config = SerializerConfig::new(&schema);
    let mut state = SerializerState::from_writer(Vec::new(), &mut config);
    record.serialize(state.serializer()).unwrap();
    let datum = state.into_writer();
    let mut state = DeserializerState::from_slice(&datum, &schema);
    E::deserialize_record(event_type.name, version, state.deserializer()).unwrap().map_err(|e| e.to_string())
}

/// A value of this type, other than the defaults of our schemas.
fn value(kind: &Value) -> Value {
    match kind {
        Value::String(kind) if kind == "string" => json!("some text"),
        Value::String(_) => json!(77),
        Value::Array(branches) => value(branches.last().unwrap()),
        kind if kind["logicalType"] == "uuid" => json!("018f3f5e-0000-7000-8000-000000000001"),
        kind if kind["type"] == "enum" => kind["symbols"].as_array().unwrap().last().unwrap().clone(),
        kind => value(&kind["type"]),
    }
}

/// A legal writer beside a version itself: its schema, what it writes, and what that has to read as.
struct Writer {
    what: String,
    schema: Value,
    written: Map<String, Value>,
    meant: Map<String, Value>,
}

/// One without each field that has a default, one with each alias for a field's name, one with a symbol to come.
fn writers(schema: &Value) -> Vec<Writer> {
    let fields = schema["fields"].as_array().unwrap();
    let name = |field: &Value| field["name"].as_str().unwrap().to_owned();
    let record: Map<_, _> = fields.iter().map(|field| (name(field), value(&field["type"]))).collect();
    let mut writers = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        if let Some(default) = field.get("default") {
            let (mut schema, mut written, mut meant) = (schema.clone(), record.clone(), record.clone());
            schema["fields"].as_array_mut().unwrap().remove(at);
            written.remove(&name(field));
            meant.insert(name(field), default.clone());
            writers.push(Writer { what: format!("without {}", name(field)), schema, written, meant });
        }
        for alias in field["aliases"].as_array().into_iter().flatten() {
            let (mut schema, mut written, meant) = (schema.clone(), record.clone(), record.clone());
            schema["fields"][at]["name"] = alias.clone();
            let value = written.remove(&name(field)).unwrap();
            written.insert(alias.as_str().unwrap().to_owned(), value);
            let what = format!("with {alias} for {}", name(field));
            writers.push(Writer { what, schema, written, meant });
        }
        if let Some(default) = field["type"].get("default") {
            let (mut schema, mut written, mut meant) = (schema.clone(), record.clone(), record.clone());
            schema["fields"][at]["type"]["symbols"].as_array_mut().unwrap().push(json!("TO_COME"));
            written.insert(name(field), json!("TO_COME"));
            meant.insert(name(field), default.clone());
            let what = format!("with a new symbol in {}", name(field));
            writers.push(Writer { what, schema, written, meant });
        }
    }
    writers
}

/// Where a Rust type reads something else than its schema says, over all versions.
fn disagreements<E: DomainEvent>() -> Vec<String> {
    let mut found = Vec::new();
    for event_type in E::TYPES {
        for (version, text) in (1..).zip(event_type.history) {
            let schema: Value = serde_json::from_str(text).unwrap();
            for writer in writers(&schema) {
                let as_read = read::<E>(event_type, version, &writer.schema, &writer.written);
                let as_meant = read::<E>(event_type, version, &schema, &writer.meant).unwrap();
                if as_read.as_ref() != Ok(&as_meant) {
                    found.push(format!("{} {version} {}: {as_read:?}", event_type.name, writer.what));
                }
            }
            for (at, field) in schema["fields"].as_array().unwrap().iter().enumerate() {
                if field.get("default").is_none() && is_read_without::<E>(event_type, version, &schema, at) {
                    found.push(format!("{} {version} needs no {}", event_type.name, field["name"]));
                }
            }
        }
    }
    found
}

/// Whether the Rust type has a default where the schema has none: a record that lacks a required field would pass.
fn is_read_without<E: DomainEvent>(event_type: &EventType, version: u32, schema: &Value, at: usize) -> bool {
    let mut writer = schema.clone();
    writer["fields"].as_array_mut().unwrap().remove(at);
    let fields = writer["fields"].as_array().unwrap().iter();
    let record = fields.map(|field| (field["name"].as_str().unwrap().to_owned(), value(&field["type"])));
    read::<E>(event_type, version, &writer, &record.collect()).is_ok()
}

#[test]
fn defaults_and_aliases_of_the_types_are_those_of_their_schemas() {
    each_event_set!(E => { assert_eq!(disagreements::<E>(), [""; 0]) });
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Withdrawn {
    run_id: AggregateId,
    occurred_at: Timestamp,
    reason: String,
}

/// A type that reads what its schema says.
mod faithful {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Changed {
        run_id: AggregateId,
        occurred_at: Timestamp,
        #[serde(default = "once")]
        attempts: i32,
        #[serde(default = "unnamed", alias = "label")]
        title: String,
        size: i64,
        color: Color,
    }

    fn once() -> i32 {
        1
    }

    fn unnamed() -> String {
        "unnamed".into()
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    enum Color {
        Green,
        #[serde(other)]
        Unknown,
    }

    events::event_set! {
        /// As the schema says.
        Set, topic "it.careless.events", aggregate "careless", id run_id,
        withdrawn Withdrawn, schemas "tests/contract/careless";
        Changed(Changed) version 1;
        Withdrawn(Withdrawn) version 1;
    }
}

/// One for the same schema that gets everything a little wrong.
mod careless {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Changed {
        run_id: AggregateId,
        occurred_at: Timestamp,
        #[serde(default)]
        attempts: i32,
        title: String,
        #[serde(default)]
        size: i64,
        color: Color,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    enum Color {
        Unknown,
        #[serde(other)]
        Green,
    }

    events::event_set! {
        /// Not as the schema says.
        Set, topic "it.careless.events", aggregate "careless", id run_id,
        withdrawn Withdrawn, schemas "tests/contract/careless";
        Changed(Changed) version 1;
        Withdrawn(Withdrawn) version 1;
    }
}

#[test]
fn a_type_that_disagrees_with_its_schema_is_found_out() {
    assert_eq!(disagreements::<faithful::Set>(), [""; 0]);
    let found = disagreements::<careless::Set>();
    let expected = [
        "Changed 1 without attempts",
        "Changed 1 without title",
        "Changed 1 with \"label\" for title",
        "Changed 1 with a new symbol in color",
        "Changed 1 needs no \"size\"",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} instead of {expected}");
    }
}
