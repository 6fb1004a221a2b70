//! A row as its source has it; numbers keep their text.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Refused;

/// How deep a row may nest.
const DEPTH_MAX: u32 = 16;

/// One value of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// Nothing: JSON's null, SQL's NULL, CSV's empty field.
    Absent,
    /// True or false.
    Boolean(bool),
    /// A number as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Raw>),
    /// Named values; no name occurs twice.
    Record(Vec<(String, Raw)>),
}

impl Raw {
    /// Reads one JSON value. No number passes through a float; a name that occurs twice is refused.
    ///
    /// # Errors
    /// Says where the text is no JSON.
    pub fn from_json(text: &str) -> Result<Self, Refused> {
        let whole: &RawValue =
            serde_json::from_str(text).map_err(|error| Refused::whole(error.to_string()))?;
        read(whole, DEPTH_MAX).map_err(Refused::whole)
    }

    /// A row of named texts; an empty one is absent.
    pub fn from_texts<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let value = |text: &str| if text.is_empty() { Self::Absent } else { Self::Text(text.to_owned()) };
        Self::Record(fields.into_iter().map(|(name, text)| (name.to_owned(), value(text))).collect())
    }

    /// What kind of value this is, for messages. The value itself stays out of them: nobody knows what it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Absent => "nothing",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Record(_) => "a record",
        }
    }
}

fn read(value: &RawValue, depth: u32) -> Result<Raw, String> {
    let text = value.get();
    let below = || depth.checked_sub(1).ok_or(format!("is nested more than {DEPTH_MAX} deep"));
    let said = |error: serde_json::Error| error.to_string();
    Ok(match text.as_bytes().first() {
        Some(b'n') => Raw::Absent,
        Some(b't') => Raw::Boolean(true),
        Some(b'f') => Raw::Boolean(false),
        Some(b'"') => Raw::Text(serde_json::from_str(text).map_err(said)?),
        Some(b'[') => {
            let (below, items) = (below()?, serde_json::from_str::<Vec<&RawValue>>(text).map_err(said)?);
            Raw::List(items.into_iter().map(|item| read(item, below)).collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let (below, Entries(entries)) = (below()?, serde_json::from_str(text).map_err(said)?);
            let read = |(name, value)| Ok((name, read(value, below)?));
            Raw::Record(entries.into_iter().map(read).collect::<Result<_, String>>()?)
        }
        _ => Raw::Number(text.to_owned()),
    })
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, _>()? {
                    if entries.iter().any(|(other, _)| *other == name) {
                        return Err(A::Error::custom(format_args!("the name {name:?} occurs twice")));
                    }
                    entries.push((name, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(text: &str) -> String {
        Raw::from_json(text).unwrap_err().reason
    }

    #[test]
    fn numbers_keep_every_digit() {
        let row = Raw::from_json(r#"{"a":0.10000000000000000001,"b":[null,-1e5,true,"x\u00e9"]}"#).unwrap();
        let b = [Raw::Absent, Raw::Number("-1e5".into()), Raw::Boolean(true), Raw::Text("xé".into())];
        let a = Raw::Number("0.10000000000000000001".into());
        assert_eq!(row, Raw::Record(vec![("a".into(), a), ("b".into(), Raw::List(b.into()))]));
    }

    #[test]
    fn what_is_no_json_is_refused_by_its_place() {
        assert!(reason(r#"{"a":1,"a":2}"#).contains("\"a\" occurs twice"));
        assert!(reason(r#"{"run_id":"#).contains("column"));
        assert!(reason("{}x").contains("trailing"));
        assert!(reason(r#""\ud800""#).contains("hex escape"));
        assert!(reason("").contains("EOF"));
        assert!(
            reason(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))).contains("nested more than")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            drop(Raw::from_json(&text));
        }
    }
}
