//! The API, described by itself (OpenAPI 3.1): what it serves is what it says.

mod command;
mod routes;

use aggregate::{CommandType, Commands};
use events::{DomainEvent, EventType};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use crate::api::{Answer, Shown};
use crate::batch::{Addressed, Batch, BatchAnswer};
use crate::face::Exposed;
use http_api::Token;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millrace command API",
        description = "Commands in, tokens out. Every error is a problem document; `/problems` lists them. A body is strict JSON: no \
                       unknown field, no name twice.",
        license(name = "Apache-2.0")
    ),
    components(schemas(Answer, Shown, Token, Batch, Addressed, BatchAnswer))
)]
struct Fixed;

/// The description of an API, to be filled with aggregates as the API itself is.
#[derive(Debug, Clone)]
pub struct Description {
    document: Value,
}

/// One kind of aggregate, as far as a description needs to know it.
struct Described {
    collection: &'static str,
    /// The name of the schema that stands for any of its commands.
    commands: String,
    examples: Map<String, Value>,
}

impl Default for Description {
    fn default() -> Self {
        let mut document = serde_json::to_value(Fixed::openapi()).expect("a document is JSON");
        let components = &mut document["components"];
        components["schemas"]["Problem"] = http_api::schema::problem();
        components["schemas"]["AnyCommand"] = json!({ "oneOf": [] });
        components["schemas"]["Addressed"]["properties"]["command"] =
            json!({ "$ref": "#/components/schemas/AnyCommand" });
        components["parameters"] = routes::parameters();
        components["headers"] = routes::headers();
        components["responses"] = routes::responses();
        components["securitySchemes"] =
            json!({ "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } });
        document["security"] = json!([{ "token": [] }]);
        document["paths"] = routes::common();
        Self { document }
    }
}

impl Description {
    /// The same with one more kind of aggregate.
    #[must_use]
    pub fn aggregate<A: Exposed>(mut self) -> Self {
        let commands = format!("{}Command", capitalised(A::Event::AGGREGATE_TYPE));
        self.add_commands(&commands, A::Command::TYPES, A::Command::ID_FIELD, A::Event::TYPES);
        let examples = examples(A::Command::EXAMPLES);
        let described = Described { collection: A::Command::COLLECTION, commands, examples };
        self.add_batch_examples(&described);
        let paths = self.document["paths"].as_object_mut().expect("paths are an object");
        paths.extend(routes::of_aggregate(&described));
        self
    }

    /// The document.
    pub fn document(&self) -> &Value {
        &self.document
    }

    fn add_commands(&mut self, set: &str, commands: &[CommandType], id_field: &str, events: &[EventType]) {
        let schemas = &mut self.document["components"]["schemas"];
        let (mut any, mut mapping) = (Vec::new(), Map::new());
        for command in commands {
            schemas[command.name] = command::schema(command, id_field, events);
            let place = format!("#/components/schemas/{}", command.name);
            any.push(json!({ "$ref": place }));
            mapping.insert(command.name.to_owned(), place.into());
        }
        schemas[set] =
            json!({ "oneOf": any, "discriminator": { "propertyName": "type", "mapping": mapping } });
        let all = schemas["AnyCommand"]["oneOf"].as_array_mut().expect("it was made as a list");
        all.push(json!({ "$ref": format!("#/components/schemas/{set}") }));
    }

    /// A batch of one: the command that an aggregate's life begins with.
    fn add_batch_examples(&mut self, Described { collection, examples, .. }: &Described) {
        for (name, example) in examples.iter().filter(|(_, example)| example["x-begins"] == true) {
            let batch = &mut self.document["paths"]["/v1/batches"]["post"]["requestBody"];
            let examples = &mut batch["content"]["application/json"]["examples"];
            let id = format!("019a9f00-0000-7000-8000-{:012x}", examples.as_object().map_or(0, Map::len));
            let addressed = json!({ "aggregate": collection, "id": id, "expected_version": 0, "command": example["value"] });
            examples[name] = json!({ "summary": name, "value": { "commands": [addressed] } });
        }
    }
}

/// One example of each command, by its name: its first in all histories. Those that begin a history say so.
fn examples(histories: &str) -> Map<String, Value> {
    let histories: Vec<Vec<Value>> =
        serde_json::from_str(histories).expect("examples are an array of arrays of commands");
    let mut examples = Map::new();
    for history in histories {
        for (index, command) in history.into_iter().enumerate() {
            let name = command["type"].as_str().expect("a command has a type").to_owned();
            let mut example = json!({ "value": command });
            if index == 0 {
                example["x-begins"] = json!(true);
            }
            examples.entry(name).or_insert(example);
        }
    }
    examples
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
