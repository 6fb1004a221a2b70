//! What a command's field says.

use std::fmt;

use events::TenantId;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::id::{Id, IdFile};
use crate::path::{Frame, Path, Scope};
use crate::value::Constant;
use crate::{BadMapping, Refused};

/// As it stands in the file: a path, or a mapping with exactly one entry.
#[derive(Debug)]
pub(crate) enum ExpressionFile {
    Path(String),
    Detailed(Detailed),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Detailed {
    constant: Option<Constant>,
    /// The place, from 1, of an item that is gone through.
    position: Option<String>,
    id: Option<IdFile>,
}

/// Found among the columns.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Path(Path),
    Constant(serde_json::Value),
    Position(usize),
    Id(Id),
}

impl ExpressionFile {
    pub(crate) fn find(self, scope: Scope<'_>, at: &str) -> Result<Expression, BadMapping> {
        match self {
            Self::Path(text) => Path::scalar(&text, scope, at).map(|(path, _)| Expression::Path(path)),
            Self::Detailed(Detailed { constant: Some(Constant(value)), position: None, id: None }) => {
                Ok(Expression::Constant(value.to_json().expect("a constant is a scalar")))
            }
            Self::Detailed(Detailed { constant: None, position: Some(name), id: None }) => {
                let item = scope.items.iter().rposition(|(item, _)| *item == name);
                item.map(Expression::Position)
                    .ok_or_else(|| BadMapping::at(at, format!("no item is called {name:?} here")))
            }
            Self::Detailed(Detailed { constant: None, position: None, id: Some(id) }) => {
                id.find(scope, at).map(Expression::Id)
            }
            Self::Detailed(_) => {
                Err(BadMapping::at(at, "a field is a column, or exactly one of constant, position, id"))
            }
        }
    }
}

impl Expression {
    /// The field; null when it is absent.
    pub(crate) fn json(&self, tenant: &TenantId, frame: &Frame<'_>) -> Result<serde_json::Value, Refused> {
        Ok(match self {
            Self::Path(path) => path.value(frame)?.to_json().expect("the path leads to a scalar"),
            Self::Constant(value) => value.clone(),
            Self::Position(item) => (frame.items[*item].place + 1).into(),
            Self::Id(id) => {
                id.of(tenant, frame)?.map_or(serde_json::Value::Null, |id| id.hyphenated().to_string().into())
            }
        })
    }
}

impl<'de> Deserialize<'de> for ExpressionFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = ExpressionFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column, or a mapping with one of constant, position, id")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ExpressionFile, E> {
                Ok(ExpressionFile::Path(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ExpressionFile, A::Error> {
                Detailed::deserialize(MapAccessDeserializer::new(map)).map(ExpressionFile::Detailed)
            }
        }

        deserializer.deserialize_any(Either)
    }
}
