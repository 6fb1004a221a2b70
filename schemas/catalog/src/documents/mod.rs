//! The contract as documents: for programs (AsyncAPI) and for people (Markdown). Made of nothing but the schema files, their
//! examples and the manifest, so that a drift check can make them again.

mod asyncapi;
mod catalogue;

pub use asyncapi::asyncapi;
pub use catalogue::catalogue;

use serde_json::Value;

use crate::{Record, Tree, TreeError};

/// The newest version of a type, ready to be described.
struct Described<'a> {
    name: &'a str,
    version: u32,
    schema: Value,
    /// An event with every field, if the folder has one.
    example: Option<Value>,
}

impl<'a> Described<'a> {
    fn new(tree: &Tree, topic: &str, name: &'a str, record: &Record) -> Result<Self, TreeError> {
        let newest = record.0.last().expect("a type has a version");
        let path = tree.folder.join(topic).join(name).join("examples/full.json");
        let example = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            text => Some(text.map_err(|source| TreeError::Unreadable { path: path.clone(), source })?),
        };
        let json = |text: &str, path: std::path::PathBuf| {
            let unreadable = |error: serde_json::Error| TreeError::Unreadable { path, source: error.into() };
            serde_json::from_str(text).map_err(unreadable)
        };
        Ok(Self {
            name,
            version: newest.version,
            schema: json(&newest.text, tree.folder.join(&newest.path))?,
            example: example.map(|text| json(&text, path)).transpose()?,
        })
    }

    fn doc(&self) -> &str {
        self.schema["doc"].as_str().unwrap_or_default()
    }

    fn fields(&self) -> impl Iterator<Item = &Value> {
        self.schema["fields"].as_array().into_iter().flatten()
    }
}

#[cfg(test)]
mod tests;
