//! Rules that every schema keeps.

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use events::{DomainEvent, EventType, ExecutionEvent};
use serde_json::{Value, json};

fn each_field(check: impl Fn(&EventType, &str, &Value)) {
    for event_type in ExecutionEvent::TYPES {
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
    for event_type in ExecutionEvent::TYPES {
        let schema: Value = serde_json::from_str(event_type.schema).unwrap();
        assert_eq!(schema["type"], "record");
        assert_eq!(schema["name"], event_type.name);
        assert_eq!(
            Some(schema["namespace"].as_str().unwrap()),
            ExecutionEvent::TOPIC.strip_suffix(".events")
        );
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

#[test]
fn personal_fields_are_marked() {
    let mut marked = Vec::new();
    for event_type in ExecutionEvent::TYPES {
        let schema: Value = serde_json::from_str(event_type.schema).unwrap();
        for field in schema["fields"].as_array().unwrap() {
            if let Some(mark) = field.get("personal") {
                assert_eq!(mark, true);
                marked.push(format!("{}.{}", event_type.name, field["name"].as_str().unwrap()));
            }
        }
    }
    // Whoever adds a field about a person adds it here too.
    assert_eq!(
        marked,
        [
            "ExecutionStarted.requested_by",
            "ExecutionFailed.message",
            "ExecutionCancelled.reason",
            "ExecutionCancelled.cancelled_by",
        ]
    );
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
    for event_type in ExecutionEvent::TYPES {
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
