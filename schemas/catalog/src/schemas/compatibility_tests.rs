use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde_json::{Value, json};

use super::*;

#[path = "compatibility_cases.rs"]
mod cases;

use cases::{cases, field, nested, record};

fn words(breaks: &[Break], direction: Direction) -> Vec<String> {
    breaks.iter().map(|one| one.words(direction)).collect()
}

#[test]
fn each_change_is_legal_or_named_with_its_place_in_both_directions() {
    for (name, old, new, new_reads_old, old_reads_new) in cases() {
        assert_eq!(words(&breaks(&old, &new), Direction::NewReadsOld), new_reads_old, "{name}");
        assert_eq!(words(&breaks(&new, &old), Direction::OldReadsNew), old_reads_new, "{name}");
    }
}

/// Avro's own library says the same: fully readable, not only by luck.
#[test]
fn avros_library_agrees_on_every_change() {
    for (name, old, new, new_reads_old, old_reads_new) in cases() {
        let parse = |schema: &Value| Schema::parse_str(&schema.to_string()).unwrap();
        let (old, new) = (parse(&old), parse(&new));
        for (writer, reader, breaks) in [(&old, &new, &new_reads_old), (&new, &old, &old_reads_new)] {
            let library = SchemaCompatibility::can_read(writer, reader);
            let is_full = matches!(library, Ok(Compatibility::Full));
            assert_eq!(is_full, breaks.is_empty(), "{name}: {library:?}");
        }
    }
}

#[test]
fn what_nobody_would_notice_is_refused_too() {
    let time = |unit: &str| field(json!({ "type": "long", "logicalType": unit }));
    let (millis, micros) = (time("timestamp-millis"), time("timestamp-micros"));
    assert_eq!(
        words(&breaks(&millis, &micros), Direction::NewReadsOld),
        [
            "field f had the logical type timestamp-millis and has timestamp-micros: the same bytes would mean something else"
        ]
    );
    assert_eq!(breaks(&field(json!("long")), &micros).len(), 1, "a bare number gets no meaning afterwards");
    let decimal = |scale: u32| {
        field(json!({ "type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale }))
    };
    assert_eq!(breaks(&decimal(2), &decimal(3)).len(), 1);
}

#[test]
fn a_type_that_holds_itself_is_compared_once() {
    let list = |extra: Value| {
        let mut fields = vec![json!({ "name": "next", "type": ["null", "n.R"], "default": null })];
        fields.extend(extra.as_array().unwrap().clone());
        record(Value::Array(fields))
    };
    let added = json!([{ "name": "cost", "type": "long" }]);
    let found = breaks(&list(json!([])), &list(added));
    assert!(found.iter().any(|one| one.path == "cost"), "{found:?}");
}

#[test]
fn a_default_is_found_however_deep() {
    let schema = nested(json!({ "name": "cost", "type": "long", "default": 0 }));
    assert!(has_default(&schema, "f.cost"));
    assert!(!has_default(&schema, "f") && !has_default(&schema, "f.gone") && !has_default(&schema, "cost"));
}
