//! A writer's schema, checked before anything is decoded with it.

use std::fmt;

use serde_json::Value;

/// Longer schema texts are refused: ours have a few kilobytes.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Deeper schemas are refused: ours have four levels of JSON.
const NESTING_MAX: usize = 24;

/// A schema that payloads were written with, compiled once.
pub struct WriterSchema {
    full_name: String,
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
        check(&json, 0)?;
        let full_name = full_name(&json).ok_or(SchemaError::NoRecord)?;
        let compiled = text.parse().map_err(|e: serde_avro_fast::schema::SchemaError| {
            SchemaError::Avro(e.to_string().chars().take(300).collect())
        })?;
        Ok(Self { full_name, compiled })
    }

    /// Namespace and name of the record, such as `agents.execution.ExecutionStarted`.
    pub fn full_name(&self) -> &str {
        &self.full_name
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

/// Refuses what lets a short payload cost much: lists of items that take no bytes, and endless nesting.
fn check(schema: &Value, depth: usize) -> Result<(), SchemaError> {
    if depth > NESTING_MAX {
        return Err(SchemaError::TooDeep);
    }
    match schema {
        Value::Array(parts) => parts.iter().try_for_each(|part| check(part, depth + 1)),
        Value::Object(keys) => {
            if keys.get("type").is_some_and(|kind| kind == "array")
                && keys.get("items").is_none_or(takes_no_bytes)
            {
                return Err(SchemaError::NotAllowed("an array of items that take no bytes"));
            }
            keys.iter().filter(|(key, _)| *key != "default").try_for_each(|(_, part)| check(part, depth + 1))
        }
        _ => Ok(()),
    }
}

fn takes_no_bytes(items: &Value) -> bool {
    match items {
        Value::String(name) => name == "null",
        Value::Array(_) => false, // the index of a union's branch takes a byte
        Value::Object(keys) => match keys.get("type") {
            Some(Value::String(kind)) if kind == "record" => {
                let fields = keys.get("fields").and_then(Value::as_array);
                fields.is_none_or(|fields| fields.iter().all(|f| f.get("type").is_none_or(takes_no_bytes)))
            }
            Some(Value::String(kind)) if kind == "fixed" => keys.get("size") == Some(&Value::from(0)),
            Some(inner) => takes_no_bytes(inner),
            None => true,
        },
        _ => true,
    }
}
