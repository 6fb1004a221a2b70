use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde_json::{Value, json};

use super::*;

fn record(fields: Value) -> Value {
    json!({ "type": "record", "name": "R", "namespace": "n", "fields": fields })
}

fn field(kind: Value) -> Value {
    record(json!([{ "name": "f", "type": kind }]))
}

fn color(symbols: Value) -> Value {
    json!({ "type": "enum", "name": "Color", "symbols": symbols })
}

fn with_default(symbols: Value) -> Value {
    let mut color = color(symbols);
    color["default"] = json!("UNKNOWN");
    color
}

fn nested(cost: Value) -> Value {
    let step = json!({ "type": "record", "name": "Step", "fields": [cost] });
    field(json!({ "type": "array", "items": ["null", step] }))
}

/// A change, its old version, its new one, and what each direction breaks in words.
type Case = (&'static str, Value, Value, Vec<&'static str>, Vec<&'static str>);

fn cases() -> Vec<Case> {
    let none = || json!([]);
    let one = |name: &str, extra: Value| {
        let mut field = json!({ "name": name, "type": "string" });
        field.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        record(json!([field]))
    };
    let optional = json!({ "default": "" });
    vec![
        ("nothing changes", field(json!("int")), field(json!("int")), vec![], vec![]),
        ("a field with a default is added", record(none()), one("f", optional.clone()), vec![], vec![]),
        ("a field with a default goes", one("f", optional.clone()), record(none()), vec![], vec![]),
        (
            "a field is added",
            record(none()),
            one("f", json!({})),
            vec!["field f was added without a default"],
            vec![],
        ),
        (
            "a field goes",
            one("f", json!({})),
            record(none()),
            vec![],
            vec!["field f was removed, but older readers have no default for it"],
        ),
        (
            "fields change places",
            record(json!([{ "name": "a", "type": "int" }, { "name": "b", "type": "string" }])),
            record(json!([{ "name": "b", "type": "string" }, { "name": "a", "type": "int" }])),
            vec![],
            vec![],
        ),
        (
            "a defaulted field is renamed with an alias: older readers see the default",
            one("old", optional.clone()),
            one("new", json!({ "default": "", "aliases": ["old"] })),
            vec![],
            vec![],
        ),
        (
            "a field without a default is renamed with an alias",
            one("old", json!({})),
            one("new", json!({ "aliases": ["old"] })),
            vec![],
            vec!["field old was removed, but older readers have no default for it"],
        ),
        (
            "int becomes long",
            field(json!("int")),
            field(json!("long")),
            vec![],
            vec!["field f was int and is long, which older readers cannot read as int"],
        ),
        (
            "long becomes int",
            field(json!("long")),
            field(json!("int")),
            vec!["field f was long and is int, as which long cannot be read"],
            vec![],
        ),
        ("string becomes bytes", field(json!("string")), field(json!("bytes")), vec![], vec![]),
        (
            "a field becomes optional",
            field(json!("int")),
            field(json!(["null", "int"])),
            vec![],
            vec!["field f can be null now, which older readers do not know"],
        ),
        (
            "a field is no longer optional",
            field(json!(["null", "int"])),
            field(json!("int")),
            vec!["field f could be null, and no longer can"],
            vec![],
        ),
        (
            "a symbol is added where the enum has a default",
            field(with_default(json!(["UNKNOWN", "RED"]))),
            field(with_default(json!(["UNKNOWN", "RED", "BLUE"]))),
            vec![],
            vec![],
        ),
        (
            "a symbol is added",
            field(color(json!(["RED"]))),
            field(color(json!(["RED", "BLUE"]))),
            vec![],
            vec!["field f got the symbol BLUE, and in older readers its enum has no default"],
        ),
        (
            "a symbol goes",
            field(color(json!(["RED", "BLUE"]))),
            field(color(json!(["RED"]))),
            vec!["field f lost the symbol BLUE, and its enum has no default"],
            vec![],
        ),
        (
            "a field deep inside is added",
            nested(json!({ "name": "id", "type": "int", "default": 0 })),
            nested(json!({ "name": "cost", "type": "long" })),
            vec!["field f.cost was added without a default"],
            vec![],
        ),
        (
            "the items of a list change their type",
            field(json!({ "type": "array", "items": "int" })),
            field(json!({ "type": "array", "items": "string" })),
            vec!["field f was int and is string, as which int cannot be read"],
            vec!["field f was int and is string, which older readers cannot read as int"],
        ),
        (
            "a fixed grows",
            field(json!({ "type": "fixed", "name": "F", "size": 4 })),
            field(json!({ "type": "fixed", "name": "F", "size": 8 })),
            vec!["field f had 4 bytes and has 8"],
            vec!["field f had 4 bytes and has 8"],
        ),
        (
            "the record is renamed",
            record(none()),
            json!({ "type": "record", "name": "S", "namespace": "n", "fields": [] }),
            vec!["the record was named n.R and is named n.S"],
            vec!["the record was named n.R and is named n.S"],
        ),
    ]
}

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
