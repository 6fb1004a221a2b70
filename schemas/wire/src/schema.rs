//! A writer's schema, checked before anything is decoded with it.

use std::fmt;

use serde_json::Value;

/// Longer schema texts are refused: ours have a few kilobytes.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Deeper schemas are refused: ours have four levels of JSON.
const NESTING_MAX: usize = 24;
/// Longer names are refused: ours have some twenty letters.
const NAME_BYTES_MAX: usize = 256;
/// Types that are referred to by name, all together: ours have none. Records that each contain the one before twice are
/// twice as much work with every reference.
const REFERENCES_MAX: usize = 16;
const PRIMITIVE: [&str; 7] = ["boolean", "int", "long", "float", "double", "bytes", "string"];

/// A schema that payloads were written with, compiled once.
pub struct WriterSchema {
    full_name: String,
    /// Names of the record's fields, sorted.
    fields: Vec<String>,
    compiled: serde_avro_fast::Schema,
}

/// Why a schema text cannot be used for events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Larger than any schema of an event.
    #[error("the schema has {bytes} bytes; at most {TEXT_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON.
    #[error("the schema is no JSON: {0}")]
    Json(String),
    /// JSON, but no schema of a named record.
    #[error("the schema is not of a record with a namespace")]
    NoRecord,
    /// Nested more deeply than any schema of an event.
    #[error("the schema is nested more than {NESTING_MAX} levels deep")]
    TooDeep,
    /// A record, a field, a symbol, a namespace: whatever has a name.
    #[error("the schema has a name of {bytes} bytes; at most {NAME_BYTES_MAX} are allowed")]
    LongName {
        /// Its length.
        bytes: usize,
    },
    /// Types that refer to types that refer to types.
    #[error("the schema refers to types by name more than {REFERENCES_MAX} times")]
    TooManyReferences,
    /// A type that lets a few bytes stand for any amount of work.
    #[error("{0} is not allowed in the schema of an event")]
    NotAllowed(&'static str),
    /// Refused by the Avro library.
    #[error("the schema is no Avro: {0}")]
    Avro(String),
}

impl WriterSchema {
    /// Parses and checks a schema text.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(SchemaError::TooLong { bytes: text.len() });
        }
        let json: Value = serde_json::from_str(text).map_err(|e| SchemaError::Json(e.to_string()))?;
        check(&json, 0, &mut 0)?;
        let full_name = full_name(&json).ok_or(SchemaError::NoRecord)?;
        let compiled = text.parse().map_err(|e: serde_avro_fast::schema::SchemaError| {
            SchemaError::Avro(e.to_string().chars().take(300).collect())
        })?;
        Ok(Self { full_name, fields: fields(&json), compiled })
    }

    /// Namespace and name of the record, such as `agents.execution.ExecutionStarted`.
    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    /// Under which name the registry keeps it for a topic; see [`crate::subject`].
    pub fn subject(&self, topic: &str) -> String {
        format!("{topic}-{}", self.full_name)
    }

    /// The schema's JSON.
    pub fn text(&self) -> &str {
        self.compiled.json()
    }

    /// Whether both have the same fields. No registry changes these, whatever it makes of the rest of the text.
    pub(crate) fn has_fields_of(&self, other: &Self) -> bool {
        self.fields == other.fields
    }

    pub(crate) fn compiled(&self) -> &serde_avro_fast::Schema {
        &self.compiled
    }
}

impl fmt::Debug for WriterSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriterSchema").field(&self.full_name).finish()
    }
}

fn full_name(schema: &Value) -> Option<String> {
    if schema.get("type")? != "record" {
        return None;
    }
    let name = schema.get("name")?.as_str()?;
    match schema.get("namespace").and_then(Value::as_str) {
        _ if name.contains('.') => Some(name.to_owned()),
        Some(namespace) => Some(format!("{namespace}.{name}")),
        None => None,
    }
}

fn fields(record: &Value) -> Vec<String> {
    let fields = record.get("fields").and_then(Value::as_array).into_iter().flatten();
    let mut names: Vec<_> =
        fields.filter_map(|field| Some(field.get("name")?.as_str()?.to_owned())).collect();
    names.sort_unstable();
    names
}

/// Refuses what lets a short payload cost much: endless nesting, long names, many references, and values that take no bytes, of
/// which a list could claim any number. What is no schema at all is left to the Avro library.
fn check(schema: &Value, depth: usize, references: &mut usize) -> Result<(), SchemaError> {
    if depth > NESTING_MAX {
        return Err(SchemaError::TooDeep);
    }
    names(schema).try_for_each(|name| match name.len() {
        0..=NAME_BYTES_MAX => Ok(()),
        bytes => Err(SchemaError::LongName { bytes }),
    })?;
    match schema {
        Value::String(name) if name == "null" => {
            Err(SchemaError::NotAllowed("a null that is not a branch of a union"))
        }
        Value::String(name) if !PRIMITIVE.contains(&name.as_str()) => {
            *references += 1;
            if *references > REFERENCES_MAX { Err(SchemaError::TooManyReferences) } else { Ok(()) }
        }
        Value::Array(branches) => branches
            .iter()
            .filter(|branch| *branch != "null" && branch.get("type").is_none_or(|kind| kind != "null"))
            .try_for_each(|branch| check(branch, depth + 1, references)),
        Value::Object(keys) => {
            let mut part = |name| keys.get(name).map_or(Ok(()), |part| check(part, depth + 1, references));
            let parts = |name| keys.get(name).and_then(Value::as_array).filter(|parts| !parts.is_empty());
            match keys.get("type") {
                Some(Value::String(kind)) => match kind.as_str() {
                    "record" | "error" => parts("fields")
                        .ok_or(SchemaError::NotAllowed("a record without fields"))?
                        .iter()
                        .filter_map(|field| field.get("type"))
                        .try_for_each(|kind| check(kind, depth + 1, references)),
                    "array" => part("items"),
                    "map" => part("values"),
                    "enum" => {
                        parts("symbols").map(drop).ok_or(SchemaError::NotAllowed("an enum without symbols"))
                    }
                    "fixed" if keys.get("size").and_then(Value::as_u64).is_none_or(|size| size == 0) => {
                        Err(SchemaError::NotAllowed("a fixed of no bytes"))
                    }
                    _ => part("type"),
                },
                _ => part("type"),
            }
        }
        _ => Ok(()),
    }
}

/// The names that a part of a schema gives or refers to.
fn names(part: &Value) -> impl Iterator<Item = &str> {
    let symbols = part.get("symbols").and_then(Value::as_array).into_iter().flatten();
    let fields = part.get("fields").and_then(Value::as_array).into_iter().flatten();
    let own = [Some(part), part.get("name"), part.get("namespace"), part.get("type")].into_iter().flatten();
    own.chain(symbols).chain(fields.filter_map(|field| field.get("name"))).filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_field(kind: &str) -> Result<WriterSchema, SchemaError> {
        WriterSchema::parse(&format!(
            r#"{{"type": "record", "name": "R", "namespace": "n", "fields": [{{"name": "f", "type": {kind}}}]}}"#
        ))
    }

    #[test]
    fn a_record_is_known_by_its_full_name() {
        assert_eq!(with_field(r#""int""#).unwrap().full_name(), "n.R");
        let dotted = r#"{"type": "record", "name": "a.b.R", "fields": [{"name": "f", "type": "int"}]}"#;
        assert_eq!(WriterSchema::parse(dotted).unwrap().full_name(), "a.b.R");
    }

    #[test]
    fn what_is_no_record_with_a_namespace_is_refused() {
        for text in [
            r#""string""#,
            r#"["null", "int"]"#,
            r#"{"type": "record", "name": "R", "fields": [{"name": "f", "type": "int"}]}"#,
        ] {
            assert_eq!(WriterSchema::parse(text).unwrap_err(), SchemaError::NoRecord, "{text}");
        }
        assert!(matches!(WriterSchema::parse("{"), Err(SchemaError::Json(_))));
        assert!(matches!(with_field(r#""nonsense""#), Err(SchemaError::Avro(_))));
    }

    #[test]
    fn values_that_take_no_bytes_are_refused_wherever_they_hide() {
        for kind in [
            r#"{"type": "array", "items": "null"}"#,
            r#"{"type": "array", "items": {"type": "null"}}"#,
            r#"{"type": "map", "values": {"type": "array", "items": "null"}}"#,
            r#"["null", {"type": "array", "items": "null"}]"#,
            r#"{"type": "array", "items": {"type": "record", "name": "E", "fields": []}}"#,
            r#"{"type": "array", "items": {"type": "record", "name": "E", "fields": [{"name": "x", "type": "null"}]}}"#,
            r#"{"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}"#,
            r#"{"type": "enum", "name": "E", "symbols": []}"#,
        ] {
            assert!(matches!(with_field(kind), Err(SchemaError::NotAllowed(_))), "{kind}");
        }
        assert!(with_field(r#"{"type": "array", "items": ["null", "int"]}"#).is_ok());
    }

    #[test]
    fn records_that_double_with_every_reference_are_refused() {
        let doubling = |levels: usize| {
            let first = r#"{"name": "f", "type": {"type": "record", "name": "A0", "fields": [{"name": "x", "type": "int"}]}}"#;
            let next = |level: usize| {
                format!(
                    r#", {{"name": "f{level}", "type": {{"type": "record", "name": "A{level}", "fields": [
                        {{"name": "x", "type": "A{last}"}}, {{"name": "y", "type": "A{last}"}}]}}}}"#,
                    last = level - 1
                )
            };
            let fields: String = (1..levels).map(next).collect();
            WriterSchema::parse(&format!(
                r#"{{"type": "record", "name": "R", "namespace": "n", "fields": [{first}{fields}]}}"#
            ))
        };
        assert!(doubling(5).is_ok());
        assert_eq!(doubling(40).unwrap_err(), SchemaError::TooManyReferences);
    }

    #[test]
    fn huge_and_deep_schemas_are_refused() {
        let doc = format!(r#"{{"type": "string", "doc": "{}"}}"#, "x".repeat(TEXT_BYTES_MAX));
        assert!(matches!(with_field(&doc), Err(SchemaError::TooLong { .. })));
        let deep = (0..60)
            .fold(r#""int""#.to_owned(), |inner, _| format!(r#"{{"type": "array", "items": {inner}}}"#));
        assert_eq!(with_field(&deep).unwrap_err(), SchemaError::TooDeep);
        for text in [
            format!(r#"{{"type": "enum", "name": "E", "symbols": ["{}"]}}"#, "x".repeat(300)),
            format!(r#"{{"type": "fixed", "name": "{}", "size": 2}}"#, "x".repeat(300)),
            format!(
                r#"{{"type": "record", "name": "Q", "fields": [{{"name": "{}", "type": "int"}}]}}"#,
                "x".repeat(300)
            ),
            format!(r#""{}""#, "x".repeat(300)),
        ] {
            assert_eq!(with_field(&text).unwrap_err(), SchemaError::LongName { bytes: 300 }, "{text}");
        }
        let deeper = "[".repeat(5000);
        assert!(matches!(WriterSchema::parse(&deeper), Err(SchemaError::Json(_))));
    }
}
