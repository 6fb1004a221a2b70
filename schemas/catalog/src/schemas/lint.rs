//! What every schema of an event looks like.

use std::collections::BTreeSet;

use serde_json::Value;
use wire::WriterSchema;

use super::finding::{Finding, Rule};
use super::place::Source;
use super::tree::{Record, SchemaFile, Tree};

/// A file is no longer than this, in bytes.
const TEXT_BYTES_MAX: usize = 32 * 1024;
/// A record has no more fields than this.
const FIELDS_MAX: usize = 64;

/// Attributes of a schema or a field that mean something, to Avro or to this project.
const KNOWN: [&str; 16] = [
    "type",
    "name",
    "namespace",
    "doc",
    "fields",
    "default",
    "aliases",
    "symbols",
    "items",
    "values",
    "size",
    "logicalType",
    "precision",
    "scale",
    "order",
    "personal",
];

/// Every rule over every file, in the order of files and lines.
pub fn lint(tree: &Tree) -> Vec<Finding> {
    let mut found: Vec<Finding> = tree
        .records()
        .flat_map(|(topic, name, record)| {
            record.0.iter().flat_map(move |file| Linter::new(topic, name, record, file).run())
        })
        .collect();
    found.sort();
    found
}

struct Linter<'a> {
    topic: &'a str,
    name: &'a str,
    record: &'a Record,
    file: &'a SchemaFile,
    source: Source<'a>,
    found: Vec<Finding>,
}

impl<'a> Linter<'a> {
    fn new(topic: &'a str, name: &'a str, record: &'a Record, file: &'a SchemaFile) -> Self {
        Self { topic, name, record, file, source: Source::new(&file.text), found: vec![] }
    }

    fn run(mut self) -> Vec<Finding> {
        let schema: Value = match serde_json::from_str(&self.file.text) {
            Ok(schema) => schema,
            Err(error) => {
                let (line, what) = (error.line(), format!("it is no JSON: {error}"));
                self.find_at(line, Rule::Json, what, "correct the text");
                return self.found;
            }
        };
        for (line, key) in self.source.repeated_keys() {
            self.find_at(line, Rule::Json, format!("the key {key:?} is there twice"), "keep one of the two");
        }
        if self.file.text.len() > TEXT_BYTES_MAX {
            let what =
                format!("the file has {} bytes; at most {TEXT_BYTES_MAX} are allowed", self.file.text.len());
            self.find("", Rule::Size, what, "split the event in two");
        }
        self.names(&schema);
        self.first_fields(&schema);
        self.added(&schema);
        self.schema("", &schema, &mut BTreeSet::new());
        // Last: what the library says of a schema that breaks a rule above says less than the rule.
        if self.found.is_empty()
            && let Err(error) = WriterSchema::parse(&self.file.text)
        {
            self.find("", Rule::Avro, error.to_string(), "see what the Avro specification says of it");
        }
        self.found
    }

    fn names(&mut self, schema: &Value) {
        let Some(namespace) = self.topic.strip_suffix(".events") else {
            let what = format!("the topic {} does not end in .events", self.topic);
            return self.find("", Rule::Name, what, "name the folder <domain>.<aggregate>.events");
        };
        if schema["type"] != "record" {
            return self.find("/type", Rule::Name, "an event is a record".into(), "make \"type\" \"record\"");
        }
        if schema["name"] != self.name {
            let what = format!("the record is named {} in the folder {}", schema["name"], self.name);
            self.find("/name", Rule::Name, what, &format!("name it {:?}, or move the file", self.name));
        }
        if !is_pascal_case(self.name) {
            let what = format!("{} is not in PascalCase", self.name);
            self.find("/name", Rule::Name, what, "name it as a fact in the past tense, such as OrderShipped");
        }
        if schema["namespace"] != namespace {
            let what = format!("the namespace is {}, the topic {}", schema["namespace"], self.topic);
            self.find("/namespace", Rule::Name, what, &format!("make it {namespace:?}"));
        }
    }

    /// The aggregate's id, then when it happened.
    fn first_fields(&mut self, schema: &Value) {
        let name = |at: usize| schema["fields"][at]["name"].as_str().unwrap_or_default();
        let aggregate = self.topic.rsplit('.').nth(1).unwrap_or_default();
        let id = format!("{}_id", aggregate.replace('-', "_"));
        if name(0) != id {
            let what = format!("the first field is {:?}", name(0));
            self.find(
                "/fields/0",
                Rule::FieldOrder,
                what,
                &format!("begin with {id}, the id of the aggregate"),
            );
        }
        if name(1) != "occurred_at" {
            let what = format!("the second field is {:?}", name(1));
            self.find("/fields/1", Rule::FieldOrder, what, "go on with occurred_at, the time it happened");
        }
    }

    /// What version 1 did not have needs a default.
    fn added(&mut self, schema: &Value) {
        if self.file.version == 1 {
            return;
        }
        let Ok(first) = serde_json::from_str::<Value>(&self.record.0[0].text) else { return };
        let names =
            |of: &Value| -> BTreeSet<String> { fields(of).map(|(_, field)| text(field, "name")).collect() };
        let known = names(&first);
        let added: Vec<_> = fields(schema)
            .filter(|(_, field)| !known.contains(&text(field, "name")) && field.get("default").is_none())
            .map(|(at, field)| (at, text(field, "name")))
            .collect();
        for (at, name) in added {
            let what = format!("field {name} is not in version 1 and has no default");
            self.find(
                &format!("/fields/{at}"),
                Rule::AddedDefault,
                what,
                "make it [\"null\", …] with default null",
            );
        }
    }

    /// A schema, and what is inside it.
    fn schema(&mut self, at: &str, schema: &'_ Value, named: &mut BTreeSet<String>) {
        match schema {
            Value::String(name) => self.reference(at, name, named),
            Value::Array(branches) => {
                for (index, branch) in branches.iter().enumerate() {
                    self.schema(&format!("{at}/{index}"), branch, named);
                }
            }
            Value::Object(keys) => {
                self.attributes(at, keys.keys());
                if let Some(name) = keys.get("name").and_then(Value::as_str) {
                    named.insert(name.rsplit('.').next().unwrap_or(name).to_owned());
                }
                match keys.get("type") {
                    Some(Value::String(kind)) => match kind.as_str() {
                        "record" | "error" => self.record(at, schema, named),
                        "enum" => self.symbols(at, schema),
                        "array" => self.schema(&format!("{at}/items"), &schema["items"], named),
                        "map" => self.schema(&format!("{at}/values"), &schema["values"], named),
                        "float" | "double" => self.float(at, kind),
                        "fixed" => {}
                        name => self.reference(&format!("{at}/type"), name, named),
                    },
                    Some(inner) => self.schema(&format!("{at}/type"), inner, named),
                    None => self.find(at, Rule::Avro, "a schema without a type".into(), "give it a type"),
                }
            }
            other => self.find(
                at,
                Rule::Avro,
                format!("{other} is no schema"),
                "write a type's name or its object",
            ),
        }
    }

    fn record(&mut self, at: &str, schema: &Value, named: &mut BTreeSet<String>) {
        self.documented(at, schema, &format!("record {}", text(schema, "name")));
        if fields(schema).count() > FIELDS_MAX {
            let what = format!("record {} has more than {FIELDS_MAX} fields", text(schema, "name"));
            self.find(
                &format!("{at}/fields"),
                Rule::Size,
                what,
                "split the event in two, or group fields in records",
            );
        }
        let mut seen = BTreeSet::new();
        for (index, field) in fields(schema) {
            let at = format!("{at}/fields/{index}");
            if !seen.insert(text(field, "name")) {
                let what = format!("field {} is there twice", text(field, "name"));
                self.find(&at, Rule::FieldName, what, "give one of the two another name");
            }
            self.field(&at, field);
            self.schema(&format!("{at}/type"), &field["type"], named);
        }
    }

    fn field(&mut self, at: &str, field: &Value) {
        let name = text(field, "name");
        if let Some(keys) = field.as_object() {
            self.attributes(at, keys.keys());
        }
        if !is_snake_case(&name) {
            let fix = "write it in lower case with underscores, as in shipped_at";
            self.find(
                &format!("{at}/name"),
                Rule::FieldName,
                format!("field {name:?} is not in snake_case"),
                fix,
            );
        }
        self.documented(at, field, &format!("field {name}"));
        if let Some(logical) = field.get("logicalType") {
            let what = format!("field {name} has the logicalType {logical} beside its type");
            let fix = format!("write \"type\": {{\"type\": {}, \"logicalType\": {logical}}}", field["type"]);
            self.find(&format!("{at}/logicalType"), Rule::LogicalPlace, what, &fix);
        }
        self.optional(at, &name, field);
        if let Some(default) = field.get("default")
            && !fits(default, &field["type"])
        {
            let what = format!("the default {default} of field {name} is not of its type");
            self.find(
                &format!("{at}/default"),
                Rule::DefaultType,
                what,
                "make it a value of the type's first branch",
            );
        }
        if field.get("aliases").is_some() && field.get("default").is_none() {
            let what = format!("field {name} has an alias and no default");
            self.find(
                &format!("{at}/aliases"),
                Rule::Alias,
                what,
                "give it a default, or leave it its old name",
            );
        }
        self.meaning(at, &name, field);
        if let Some(mark) = field.get("personal")
            && !(mark == true && plain(&field["type"]) == "string")
        {
            let what = format!("field {name} is marked personal with {mark} and is {}", field["type"]);
            self.find(
                &format!("{at}/personal"),
                Rule::Personal,
                what,
                "mark a text with true, and nothing else",
            );
        }
    }

    fn optional(&mut self, at: &str, name: &str, field: &Value) {
        let Some(branches) = field["type"].as_array() else { return };
        let fix = "write \"type\": [\"null\", …], \"default\": null";
        if branches.len() != 2 || branches[0] != "null" {
            let what = format!("field {name} is a union other than [\"null\", T]");
            self.find(&format!("{at}/type"), Rule::Optional, what, fix);
        } else if field.get("default") != Some(&Value::Null) {
            self.find(at, Rule::Optional, format!("the optional field {name} has no default null"), fix);
        }
    }

    /// Names that promise a unit.
    fn meaning(&mut self, at: &str, name: &str, field: &Value) {
        let kind = plain(&field["type"]);
        let (base, logical) = (text_or(kind, "type"), text(kind, "logicalType"));
        let words: Vec<&str> = name.split('_').collect();
        let ends = |with: &[&str]| words.last().is_some_and(|last| with.contains(last));
        let at = format!("{at}/type");
        let number = matches!(base.as_str(), "int" | "long");
        if ends(&["at", "time", "timestamp", "date"])
            && (number || base == "string")
            && logical != "timestamp-micros"
            && logical != "date"
        {
            let what = format!("field {name} is a time and a bare {base}");
            let fix = "make it {\"type\": \"long\", \"logicalType\": \"timestamp-micros\"}, or put the unit last in its name";
            self.find(&at, Rule::Time, what, fix);
        }
        if ends(&["id"]) && (base.as_str(), logical.as_str()) != ("string", "uuid") {
            let what = format!("field {name} is an id and no UUID");
            let fix = "make it {\"type\": \"string\", \"logicalType\": \"uuid\"}, or name it after what it is (…_key, …_name)";
            self.find(&at, Rule::Id, what, fix);
        }
        let money = ["cost", "price", "amount", "fee", "total", "usd", "eur"];
        let is_money = words.iter().any(|word| money.contains(word)) && !ends(&["count", "tokens", "bytes"]);
        let is_nano = name.ends_with("_nano_usd");
        if (is_money || is_nano)
            && !(is_nano && base == "long")
            && (number || is_nano || matches!(base.as_str(), "float" | "double"))
        {
            let what = format!("field {name} is money in {base}");
            self.find(&at, Rule::Money, what, "name it …_nano_usd and make it a long");
        }
    }

    fn symbols(&mut self, at: &str, schema: &Value) {
        let name = text(schema, "name");
        self.documented(at, schema, &format!("enum {name}"));
        let symbols: Vec<_> =
            schema["symbols"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let odd = symbols.iter().find(|symbol| !is_upper_snake_case(symbol));
        if let Some(symbol) = odd {
            let what = format!("the symbol {symbol:?} of enum {name} is not in UPPER_SNAKE_CASE");
            self.find(
                &format!("{at}/symbols"),
                Rule::Symbol,
                what,
                "write it in upper case with underscores",
            );
        }
        match schema.get("default").and_then(Value::as_str) {
            Some(default) if symbols.contains(&default) => {}
            Some(default) => {
                let what = format!("the default {default:?} of enum {name} is none of its symbols");
                self.find(&format!("{at}/default"), Rule::EnumDefault, what, "add it to the symbols");
            }
            None => {
                let what = format!("enum {name} has no default");
                self.find(at, Rule::EnumDefault, what, "add the symbol UNKNOWN and \"default\": \"UNKNOWN\"");
            }
        }
    }

    fn reference(&mut self, at: &str, name: &str, named: &BTreeSet<String>) {
        const PRIMITIVE: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
        if matches!(name, "float" | "double") {
            self.float(at, name);
        } else if !PRIMITIVE.contains(&name) && !named.contains(name.rsplit('.').next().unwrap_or(name)) {
            let what = format!("the type {name:?} is not defined in this file, or only behind this place");
            self.find(at, Rule::Reference, what, "write its definition where it is used first");
        }
    }

    fn float(&mut self, at: &str, kind: &str) {
        let fix = "use a long and name its unit (…_nano_usd, …_us, …_permille)";
        self.find(at, Rule::Float, format!("a {kind}"), fix);
    }

    fn documented(&mut self, at: &str, of: &Value, what: &str) {
        let doc = of.get("doc").and_then(Value::as_str).unwrap_or_default();
        let is_sentence = doc.len() > 10 && doc.ends_with('.');
        if !is_sentence {
            let what =
                format!("{what} has {}", if doc.is_empty() { "no doc" } else { "a doc that is no sentence" });
            self.find(
                at,
                Rule::Doc,
                what,
                "say in a sentence what it means, with its unit, and when it is absent",
            );
        }
    }

    fn attributes<'k>(&mut self, at: &str, keys: impl Iterator<Item = &'k String>) {
        for key in keys.filter(|key| !KNOWN.contains(&key.as_str())) {
            let what = format!("the attribute {key:?} means nothing here");
            self.find(&format!("{at}/{key}"), Rule::Attribute, what, &format!("one of {}", KNOWN.join(", ")));
        }
    }

    fn find(&mut self, pointer: &str, rule: Rule, what: String, fix: &str) {
        self.find_at(self.source.line(pointer), rule, what, fix);
    }

    fn find_at(&mut self, line: usize, rule: Rule, what: String, fix: &str) {
        let (file, fix) = (self.file.path.clone(), fix.to_owned());
        self.found.push(Finding { file, line, rule, what, fix });
    }
}

fn fields(schema: &Value) -> impl Iterator<Item = (usize, &Value)> {
    schema.get("fields").and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn text(of: &Value, key: &str) -> String {
    of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The name of a type that is a name, or has one.
fn text_or(kind: &Value, key: &str) -> String {
    kind.as_str().map_or_else(|| text(kind, key), str::to_owned)
}

/// The type without its option.
fn plain(kind: &Value) -> &Value {
    let branches = kind.as_array().into_iter().flatten();
    branches.into_iter().find(|branch| *branch != "null").unwrap_or(kind)
}

/// Whether a default is a value of a type, of the first branch where it is a union. Named types that are only named are
/// left to the Avro library.
fn fits(default: &Value, kind: &Value) -> bool {
    match text_or(kind, "type").as_str() {
        _ if kind.is_array() => kind.get(0).is_some_and(|first| fits(default, first)),
        "null" => default.is_null(),
        "boolean" => default.is_boolean(),
        "int" => default.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "long" => default.is_i64(),
        "float" | "double" => default.is_number(),
        "bytes" | "string" | "fixed" => default.is_string(),
        "enum" => kind["symbols"].as_array().is_some_and(|symbols| symbols.contains(default)),
        "array" => {
            default.as_array().is_some_and(|items| items.iter().all(|item| fits(item, &kind["items"])))
        }
        "map" => {
            default.as_object().is_some_and(|map| map.values().all(|value| fits(value, &kind["values"])))
        }
        "record" => fields(kind).all(|(_, field)| {
            default
                .get(text(field, "name"))
                .or(field.get("default"))
                .is_some_and(|value| fits(value, &field["type"]))
        }),
        _ => true,
    }
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn is_upper_snake_case(name: &str) -> bool {
    is_snake_case(&name.to_ascii_lowercase()) && !name.contains(|c: char| c.is_ascii_lowercase())
}

fn is_pascal_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
