//! Any event at all, as its schema allows.

use std::fmt::Debug;

use events::DomainEvent;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

pub(crate) fn event<E: DomainEvent>() -> impl Strategy<Value = E> {
    select(E::TYPES).prop_flat_map(|event_type| {
        let schema: Value = serde_json::from_str(event_type.schema).unwrap();
        let fields: Vec<_> = schema["fields"].as_array().unwrap().iter().map(field).collect();
        fields.prop_map(move |fields| {
            let record = Value::Object(Map::from_iter(fields));
            E::deserialize_record(event_type.name, event_type.version, record).unwrap().unwrap()
        })
    })
}

fn field(field: &Value) -> BoxedStrategy<(String, Value)> {
    let name = field["name"].as_str().unwrap().to_owned();
    value(&field["type"]).prop_map(move |value| (name.clone(), value)).boxed()
}

fn value(kind: &Value) -> BoxedStrategy<Value> {
    match kind {
        Value::String(kind) => match kind.as_str() {
            "string" => json(any::<String>()),
            "int" => json(any::<i32>()),
            "long" => json(any::<i64>()),
            other => panic!("{other} is new: add it here"),
        },
        Value::Array(branches) => of(value(&branches[1])).prop_map(Option::unwrap_or_default).boxed(),
        kind if kind["logicalType"] == "uuid" => {
            json(any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string()))
        }
        kind if kind["type"] == "enum" => select(kind["symbols"].as_array().unwrap().clone()).boxed(),
        kind => value(&kind["type"]),
    }
}

fn json<T: Into<Value> + Debug + 'static>(any: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Value> {
    any.prop_map(Into::into).boxed()
}
