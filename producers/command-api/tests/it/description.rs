//! What the API says of itself is so.

use agents::each_aggregate;
use aggregate::{Aggregate, Commands};
use jsonschema::Validator;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::fixture::{World, answer};

/// The document as it is committed.
pub(crate) fn document() -> Value {
    serde_json::from_str(include_str!("../../openapi.json")).unwrap()
}

/// Judges values by a schema of the document.
pub(crate) fn validator(name: &str) -> Validator {
    let document = document();
    let schema =
        json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
    jsonschema::draft202012::options().build(&schema).unwrap()
}

fn histories<C: Commands>() -> Vec<Vec<Value>> {
    serde_json::from_str(C::EXAMPLES).unwrap()
}

fn posts(document: &Value) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let body = "/post/requestBody/content/application~1json/examples";
    paths.filter_map(move |(path, item)| Some((path, item.pointer(body)?.as_object()?)))
}

#[tokio::test]
async fn what_is_served_is_what_is_committed() {
    let world = World::new().await;
    let served = answer(world.bare(Method::GET, "/openapi.json")).await;
    assert_eq!(served.header("content-type"), "application/json");
    assert!(served.json() == document(), "openapi.json is out of date; run `cargo xtask generated --write`");
}

#[tokio::test]
async fn every_example_of_the_description_is_carried_out() {
    let (world, document) = (World::new().await, document());
    let mut sent = Vec::new();
    each_aggregate!(A => {
        type C = <A as Aggregate>::Command;
        for history in histories::<C>() {
            let id = Uuid::now_v7();
            for (version, command) in history.into_iter().enumerate() {
                let path = format!("/v1/{}/{id}/commands", C::COLLECTION);
                let done = answer(world.request(Method::POST, &path).body(command.to_string())).await;
                assert_eq!(done.version(), version as u64 + 1, "{command} {done:?}");
                sent.push(command);
            }
        }
    });
    let batch = validator("Batch");
    for (path, examples) in posts(&document) {
        for (name, example) in examples {
            let value = &example["value"];
            if path == "/v1/batches" {
                assert!(batch.is_valid(value), "{value}");
                let done = answer(world.request(Method::POST, path).body(value.to_string())).await;
                assert_eq!(done.json()["tokens"][0]["version"], json!(1), "{value} {done:?}");
            } else {
                assert!(sent.contains(value), "{name} of {path} was never carried out");
            }
        }
    }
}

#[test]
fn every_command_has_an_example_that_its_schema_agrees_with() {
    let document = document();
    each_aggregate!(A => {
        type C = <A as Aggregate>::Command;
        let examples = posts(&document).find(|(path, _)| path.contains(C::COLLECTION)).unwrap().1;
        let names: Vec<_> = C::TYPES.iter().map(|command| command.name).collect();
        assert!(names.iter().all(|name| examples.contains_key(*name)), "{names:?} {examples:?}");
        for command in histories::<C>().concat() {
            assert!(names.contains(&command["type"].as_str().unwrap()), "{command}");
            let judged = validator(command["type"].as_str().unwrap()).validate(&command).map_err(|e| e.to_string());
            assert_eq!(judged, Ok(()), "{command}");
        }
    });
}

#[test]
fn a_field_is_as_described_and_there_is_no_other() {
    let document = document();
    each_aggregate!(A => {
        type C = <A as Aggregate>::Command;
        for command in C::TYPES {
            let schema = &document["components"]["schemas"][command.name];
            let histories = histories::<C>().concat();
            let example = histories.iter().find(|it| it["type"] == command.name).unwrap();
            Probe::<C>::of(schema, example).every_field();
        }
    });
}

/// Holds one command's schema against how the command is read.
struct Probe<'d, C> {
    schema: &'d Value,
    whole: Map<String, Value>,
    read: std::marker::PhantomData<C>,
}

impl<'d, C: Commands + DeserializeOwned> Probe<'d, C> {
    fn of(schema: &'d Value, example: &Value) -> Self {
        let mut whole = example.as_object().unwrap().clone();
        whole.insert(C::ID_FIELD.to_owned(), json!(Uuid::nil()));
        whole.insert("occurred_at".to_owned(), json!("2026-11-21T03:46:19.124788Z"));
        Self { schema, whole, read: std::marker::PhantomData }
    }

    fn read(&self, field: &str, value: Option<Value>) -> Result<(), String> {
        let mut fields = self.whole.clone();
        match value {
            Some(value) => fields.insert(field.to_owned(), value),
            None => fields.remove(field),
        };
        serde_json::from_value::<C>(Value::Object(fields)).map(drop).map_err(|error| error.to_string())
    }

    fn every_field(&self) {
        let properties = self.schema["properties"].as_object().unwrap();
        let refused = self.read("no_such_field", Some(json!(1))).unwrap_err();
        let mut known: Vec<_> =
            refused.split('`').skip(1).step_by(2).filter(|it| *it != "no_such_field").collect();
        known.sort_unstable();
        let described: Vec<_> = properties.keys().filter(|name| *name != "type").collect();
        assert_eq!(known, described, "{refused}");
        for (name, property) in properties {
            self.field(name, property);
        }
    }

    fn field(&self, name: &str, property: &Value) {
        let is_required = self.schema["required"].as_array().unwrap().contains(&json!(name));
        let is_supplied = name == C::ID_FIELD || name == "occurred_at"; // by the API, where it is left out
        assert_eq!(self.read(name, None).is_err(), is_required || is_supplied, "{name} left out");
        let types = match &property["type"] {
            Value::Array(types) => types.clone(),
            one => vec![one.clone()],
        };
        let is_nullable = types.contains(&json!("null"));
        assert_eq!(self.read(name, Some(Value::Null)).is_ok(), is_nullable, "{name} null");
        assert!(self.read(name, Some(json!(["x"]))).is_err(), "{name} as a list");
        if types.contains(&json!("integer")) {
            for (bound, step) in [("minimum", -1), ("maximum", 1)] {
                let last = property[bound].as_i64().unwrap();
                assert_eq!(self.read(name, Some(json!(last))), Ok(()), "{name} at its {bound}");
                if let Some(beyond) = last.checked_add(step) {
                    assert!(self.read(name, Some(json!(beyond))).is_err(), "{name} beyond its {bound}");
                }
            }
            assert!(self.read(name, Some(json!("1"))).is_err(), "{name} as text");
        } else {
            assert!(self.read(name, Some(json!(1))).is_err(), "{name} as a number");
        }
        if property["format"] == "uuid" || property["format"] == "date-time" {
            assert!(self.read(name, Some(json!("x"))).is_err(), "{name} as any text");
        }
        for word in property["enum"].as_array().into_iter().flatten() {
            assert_eq!(self.read(name, Some(word.clone())), Ok(()), "{name} {word}");
        }
    }
}
