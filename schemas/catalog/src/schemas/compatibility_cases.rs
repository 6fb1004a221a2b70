//! Changes of a schema, legal ones and others: what this crate, Avro's library and a real registry have to agree on.

use serde_json::{Value, json};

pub(super) fn record(fields: Value) -> Value {
    let mut all = vec![json!({ "name": "id", "type": "string" })];
    all.extend(fields.as_array().into_iter().flatten().cloned());
    json!({ "type": "record", "name": "R", "namespace": "n", "fields": all })
}

pub(super) fn field(kind: Value) -> Value {
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

pub(super) fn nested(cost: Value) -> Value {
    let step = json!({ "type": "record", "name": "Step", "fields": [cost] });
    field(json!({ "type": "array", "items": ["null", step] }))
}

/// A change, its old version, its new one, and what each direction breaks in words.
pub(super) type Case = (&'static str, Value, Value, Vec<&'static str>, Vec<&'static str>);

pub(super) fn cases() -> Vec<Case> {
    let none = || json!([]);
    let one = |name: &str, extra: Value| {
        let mut field = json!({ "name": name, "type": "string" });
        field.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        record(json!([field]))
    };
    let optional = json!({ "default": "" });
    let mut renamed = record(none());
    renamed["name"] = json!("S");
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
            renamed,
            vec!["the record was named n.R and is named n.S"],
            vec!["the record was named n.R and is named n.S"],
        ),
    ]
}
