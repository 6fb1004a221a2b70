//! A command's JSON, described: its fields are those of the event it leads to, so the event's schema knows them.

use aggregate::CommandType;
use events::EventType;
use serde_json::{Map, Value, json};

use http_api::schema::uuid;

use crate::command::{OCCURRED_AT, TAG};

/// The object that `command` is, where `id_field` and the time may be left out.
pub(super) fn schema(command: &CommandType, id_field: &str, events: &[EventType]) -> Value {
    let event = events.iter().find(|event| event.name == command.event);
    let event = event.expect("a command leads to an event of its aggregate");
    let avro: Value = serde_json::from_str(event.schema).expect("an event's schema is JSON");
    let mut properties = Map::from_iter([(TAG.to_owned(), json!({ "const": command.name }))]);
    let mut required = vec![TAG];
    for field in avro["fields"].as_array().expect("an event is a record") {
        let name = field["name"].as_str().expect("a field has a name");
        let (mut described, is_optional) = match name {
            OCCURRED_AT => (instant(), true),
            _ => property(&field["type"]),
        };
        described["description"] = field["doc"].clone();
        properties.insert(name.to_owned(), described);
        if !is_optional && name != id_field {
            required.push(name);
        }
    }
    json!({
        "type": "object", "description": command.about.trim(), "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

/// A point in time, as text; without it, the moment of arrival.
fn instant() -> Value {
    json!({ "type": "string", "format": "date-time", "examples": ["2026-11-21T03:46:19.124788Z"],
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?Z$" })
}

/// What a field of this Avro type is in JSON, and whether it may be left out.
fn property(avro: &Value) -> (Value, bool) {
    if let Some([null, present]) = avro.as_array().map(Vec::as_slice)
        && null == "null"
    {
        let (mut property, _) = property(present);
        property["type"] = json!([property["type"], "null"]);
        if let Some(words) = property.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
        return (property, true);
    }
    let kind = avro.get("type").unwrap_or(avro).as_str().unwrap_or_default();
    let property = match (kind, avro["logicalType"].as_str()) {
        ("string", Some("uuid")) => uuid(),
        ("string", None) => json!({ "type": "string" }),
        ("boolean", None) => json!({ "type": "boolean" }),
        ("int", None) => {
            json!({ "type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX })
        }
        ("long", None) => {
            json!({ "type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX })
        }
        ("enum", None) => {
            // The default stands for words that a reader does not know; nobody says it.
            let symbols = avro["symbols"].as_array().into_iter().flatten();
            let words: Vec<_> = symbols.filter(|word| **word != avro["default"]).collect();
            json!({ "type": "string", "enum": words })
        }
        _ => json!({}), // described by its words alone
    };
    (property, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_may_be_absent_may_be_null_and_left_out() {
        let avro = json!(["null", { "type": "enum", "symbols": ["UNKNOWN", "RED"], "default": "UNKNOWN" }]);
        assert_eq!(property(&avro), (json!({ "type": ["string", "null"], "enum": ["RED", null] }), true));
        assert_eq!(property(&json!("string")), (json!({ "type": "string" }), false));
        assert_eq!(property(&json!({ "type": "string", "logicalType": "uuid" })), (uuid(), false));
    }
}
