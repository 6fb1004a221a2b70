//! Rules that every schema keeps.

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use events::{AggregateId, DomainEvent, EventType, Timestamp, each_event_set};
use serde_json::{Value, json};

use crate::files::{avro, read, types};

fn each_field(check: impl Fn(&EventType, &str, &Value)) {
    for (_, event_type) in types() {
        for text in event_type.history {
            let schema: Value = serde_json::from_str(text).unwrap();
            for field in schema["fields"].as_array().unwrap() {
                check(event_type, field["name"].as_str().unwrap(), field);
            }
        }
    }
}

fn is_sentence(doc: &Value) -> bool {
    doc.as_str().is_some_and(|doc| doc.len() > 10 && doc.ends_with('.'))
}

#[test]
fn records_are_named_after_their_type_in_the_namespace_of_the_topic() {
    for (topic, event_type) in types() {
        let schema: Value = serde_json::from_str(event_type.schema).unwrap();
        assert_eq!(schema["type"], "record");
        assert_eq!(schema["name"], event_type.name);
        assert_eq!(Some(schema["namespace"].as_str().unwrap()), topic.strip_suffix(".events"));
        assert!(is_sentence(&schema["doc"]), "{} needs a doc", event_type.name);
    }
}

#[test]
fn every_field_is_documented() {
    each_field(|t, name, field| assert!(is_sentence(&field["doc"]), "{}.{name} needs a doc", t.name));
}

#[test]
fn optional_fields_are_null_first_and_null_by_default() {
    each_field(|t, name, field| {
        if let Some(branches) = field["type"].as_array() {
            assert_eq!(branches.len(), 2, "{}.{name}", t.name);
            assert_eq!(branches[0], "null", "{}.{name}", t.name);
            assert_eq!(field.get("default"), Some(&Value::Null), "{}.{name}", t.name);
        }
    });
}

#[test]
fn money_is_whole_nano_usd_and_nothing_is_a_float() {
    each_field(|t, name, field| {
        let kind = field["type"].to_string();
        assert!(!kind.contains("float") && !kind.contains("double"), "{}.{name} is {kind}", t.name);
        assert!(!name.contains("usd") || name.ends_with("_nano_usd"), "{}.{name}", t.name);
        assert!(!name.contains("cost") || name.ends_with("_nano_usd"), "{}.{name} has no unit", t.name);
        if name.ends_with("_nano_usd") {
            assert!(kind.contains("\"long\""), "{}.{name} is {kind}", t.name);
            assert!(field["doc"].as_str().unwrap().contains("nano-USD"), "{}.{name}", t.name);
        }
    });
}

#[test]
fn times_are_microseconds_and_ids_are_uuids() {
    each_field(|t, name, field| {
        let kind = &field["type"];
        let plain = kind.as_array().map_or(kind, |branches| &branches[1]);
        if name.ends_with("_at") {
            assert_eq!(
                plain,
                &json!({"type": "long", "logicalType": "timestamp-micros"}),
                "{}.{name}",
                t.name
            );
        }
        if name.ends_with("_id") {
            assert_eq!(plain, &json!({"type": "string", "logicalType": "uuid"}), "{}.{name}", t.name);
        }
    });
}

fn marked(event_type: &EventType) -> Vec<String> {
    let schema: Value = serde_json::from_str(event_type.schema).unwrap();
    let fields = schema["fields"].as_array().unwrap().iter();
    let personal = fields.filter(|field| field.get("personal").is_some_and(|mark| mark == true));
    personal.map(|field| field["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn personal_fields_are_marked_and_the_code_knows_them() {
    for (_, event_type) in types() {
        assert_eq!(event_type.personal, marked(event_type), "{}", event_type.name);
        // Whoever adds a field whose words are a person's says so here.
        let schema: Value = serde_json::from_str(event_type.schema).unwrap();
        for field in schema["fields"].as_array().unwrap() {
            let doc = field["doc"].as_str().unwrap();
            let about_people = ["The person who", "may name people", "may quote", "may repeat"];
            let says_so = about_people.iter().any(|words| doc.contains(words));
            assert_eq!(field.get("personal").is_some(), says_so, "{}.{}", event_type.name, field["name"]);
        }
    }
}

fn personal_texts_are_found<E: DomainEvent>() {
    for event_type in E::TYPES {
        for (example, optional) in [("full", true), ("least", false)] {
            let path = format!("{}/{}/examples/{example}.json", E::TOPIC, event_type.name);
            let json: Value = serde_json::from_str(&read(&avro().join(path))).unwrap();
            let mut event =
                E::deserialize_record(event_type.name, event_type.version, &json).unwrap().unwrap();
            let present = marked(event_type).into_iter().filter(|name| optional || !json[name].is_null());
            let present: Vec<_> =
                present.map(|name| (json[&name].as_str().unwrap().to_owned(), name)).collect();
            let found = event.personal().into_iter().map(|(name, text)| (text.clone(), name.to_owned()));
            assert_eq!(found.collect::<Vec<_>>(), present, "{} {example}", event_type.name);

            event.personal().into_iter().for_each(|(_, text)| text.replace_range(.., "[erased]"));
            let json = event.serialize_record(serde_json::value::Serializer).unwrap();
            assert!(present.iter().all(|(_, name)| json[name] == "[erased]"), "{json}");
        }
    }
}

#[test]
fn the_personal_texts_of_an_event_are_those_its_schema_marks() {
    each_event_set!(E => { personal_texts_are_found::<E>() });
}

#[test]
fn every_aggregate_can_be_taken_back() {
    let id: AggregateId = "0197d3a0-5b1c-7e3d-8f42-9c0a1b2c3d4e".parse().unwrap();
    each_event_set!(E => {
        let event = E::withdrawn(id, Timestamp::from_micros(7), "imported by mistake".into());
        assert_eq!((event.event_type(), event.aggregate_id()), (E::WITHDRAWN, id));
        assert_eq!(event.occurred_at(), Timestamp::from_micros(7));
        assert_eq!(E::TYPES.iter().filter(|t| t.name == E::WITHDRAWN).count(), 1);
    });
}

/// A decoder tells the versions of a lifted type apart by their fields.
#[test]
fn versions_that_are_lifted_differ_in_their_fields() {
    for (_, event_type) in types().into_iter().filter(|(_, t)| t.lifted_through > 0) {
        assert!(event_type.lifted_through < event_type.version);
        let mut fields: Vec<Vec<String>> = Vec::new();
        for text in event_type.history {
            let schema: Value = serde_json::from_str(text).unwrap();
            let names = schema["fields"].as_array().unwrap().iter();
            fields.push(names.map(|field| field["name"].to_string()).collect());
            fields.last_mut().unwrap().sort();
        }
        fields.sort();
        fields.dedup();
        assert_eq!(fields.len(), event_type.history.len(), "{}", event_type.name);
    }
}

#[test]
fn enums_have_a_default_for_symbols_to_come() {
    each_field(|t, name, field| {
        if field["type"]["type"] == "enum" {
            assert_eq!(field["type"]["default"], "UNKNOWN", "{}.{name}", t.name);
            assert!(is_sentence(&field["type"]["doc"]), "{}.{name}", t.name);
        }
    });
}

#[test]
fn every_version_reads_and_is_read_by_every_other() {
    for (_, event_type) in types() {
        let versions: Vec<_> =
            event_type.history.iter().map(|text| Schema::parse_str(text).unwrap()).collect();
        for (a, writer) in versions.iter().enumerate() {
            for (b, reader) in versions.iter().enumerate() {
                if let Err(reason) = SchemaCompatibility::can_read(writer, reader) {
                    panic!("{} {} cannot be read as {}: {reason}", event_type.name, a + 1, b + 1);
                }
            }
        }
    }
}
