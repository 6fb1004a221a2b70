//! A value of a row once its column's type was applied.

use events::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// One value of a typed row. Money is whole nano-USD, an id its hyphenated text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Absent,
    Boolean(bool),
    Integer(i64),
    Text(String),
    Time(Timestamp),
    List(Vec<Value>),
    /// In the order of the columns.
    Record(Vec<Value>),
}

impl Value {
    /// As it stands in a command; `None` for what cannot.
    pub(crate) fn to_json(&self) -> Option<serde_json::Value> {
        match self {
            Self::Absent => Some(serde_json::Value::Null),
            Self::Boolean(value) => Some((*value).into()),
            Self::Integer(value) => Some((*value).into()),
            Self::Text(text) => Some(text.as_str().into()),
            Self::Time(at) => Some(at.to_string().into()),
            Self::List(_) | Self::Record(_) => None,
        }
    }

    /// Its one spelling as part of a name; `None` for what has none.
    pub(crate) fn to_name(&self) -> Option<String> {
        match self {
            Self::Boolean(value) => Some(value.to_string()),
            Self::Integer(value) => Some(value.to_string()),
            Self::Text(text) => Some(text.clone()),
            Self::Time(at) => Some(at.to_string()),
            Self::Absent | Self::List(_) | Self::Record(_) => None,
        }
    }
}

/// A value that the mapping file itself gives: a text, a whole number, true or false.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constant(pub(crate) Value);

impl<'de> Deserialize<'de> for Constant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = Constant;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, a whole number, true or false")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Constant, E> {
                Ok(Constant(Value::Boolean(value)))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Constant, E> {
                Ok(Constant(Value::Integer(value)))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Constant, E> {
                let integer = i64::try_from(value).map_err(|_| E::custom("the number is out of range"))?;
                self.visit_i64(integer)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Constant, E> {
                Ok(Constant(Value::Text(text.to_owned())))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}
