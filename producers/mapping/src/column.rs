//! The columns of a row: their names, types and units.

use std::collections::BTreeMap;
use std::fmt;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::time::zone;
use crate::value::{Constant, Value};

/// Named columns in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Columns(pub(crate) Vec<(String, Column)>);

/// What one column holds.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) kind: Kind,
    /// Whether it may be absent.
    pub(crate) optional: bool,
    /// What stands for an absent value.
    pub(crate) default: Option<Value>,
}

/// The closed set of types.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Text,
    /// So many hex digits.
    Hex(usize),
    Integer,
    /// A whole number from 0.
    Natural,
    Boolean,
    Uuid,
    /// Dollars in decimal, rounded half-even to nano-USD.
    Usd,
    /// Cents in decimal, likewise.
    Cents,
    /// Whole nano-USD.
    NanoUsd,
    /// Whole units since 1970, of so many microseconds each.
    Since1970(i64),
    /// A time with its offset from UTC.
    Rfc3339,
    /// A time on the clocks of a zone.
    Local(TimeZone),
    /// One of these texts, each with its meaning.
    OneOf(BTreeMap<String, Value>),
    Record(Columns),
    List(Columns),
    /// Known, and of no interest.
    Ignored,
}

impl Columns {
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Column)> {
        let place = self.0.iter().position(|(other, _)| other == name)?;
        Some((place, &self.0[place].1))
    }
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "integer" => Self::Integer,
            "natural" => Self::Natural,
            "boolean" => Self::Boolean,
            "uuid" => Self::Uuid,
            "usd" => Self::Usd,
            "cents" => Self::Cents,
            "nano_usd" => Self::NanoUsd,
            "unix_seconds" => Self::Since1970(1_000_000),
            "unix_milliseconds" => Self::Since1970(1_000),
            "unix_microseconds" => Self::Since1970(1),
            "rfc3339" => Self::Rfc3339,
            "ignored" => Self::Ignored,
            _ => return None,
        })
    }

    /// Whether its values are whole numbers, so that they can be summed.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Integer | Self::Natural | Self::Usd | Self::Cents | Self::NanoUsd)
    }
}

const NAMES: &str = "text, integer, natural, boolean, uuid, usd, cents, nano_usd, unix_seconds, unix_milliseconds, \
                     unix_microseconds, rfc3339, ignored";

/// A column as a mapping: exactly one of the first six.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Detailed {
    r#type: Option<String>,
    hex: Option<usize>,
    local: Option<String>,
    one_of: Option<BTreeMap<String, Constant>>,
    record: Option<Columns>,
    list: Option<Columns>,
    #[serde(default)]
    optional: bool,
    default: Option<Constant>,
}

impl Detailed {
    fn column(self) -> Result<Column, String> {
        let mut kinds = Vec::new();
        if let Some(name) = self.r#type {
            kinds.push(Kind::named(&name).ok_or_else(|| format!("there is no type {name:?}, only {NAMES}"))?);
        }
        kinds.extend(self.hex.map(Kind::Hex));
        if let Some(name) = self.local {
            kinds.push(Kind::Local(zone(&name)?));
        }
        let meanings = |texts: BTreeMap<String, Constant>| {
            texts.into_iter().map(|(text, Constant(value))| (text, value))
        };
        kinds.extend(self.one_of.map(|texts| Kind::OneOf(meanings(texts).collect())));
        kinds.extend(self.record.map(Kind::Record));
        kinds.extend(self.list.map(Kind::List));
        let default = self.default.map(|Constant(value)| value);
        match <[Kind; 1]>::try_from(kinds) {
            Ok([kind]) => Ok(Column { kind, optional: self.optional || default.is_some(), default }),
            Err(_) => Err("a column has exactly one of type, hex, local, one_of, record, list".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Column;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a type, or a mapping that describes the column")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Column, E> {
                let (name, optional) = text.strip_suffix('?').map_or((text, false), |name| (name, true));
                let kind = Kind::named(name);
                let kind =
                    kind.ok_or_else(|| E::custom(format!("there is no type {name:?}, only {NAMES}")))?;
                Ok(Column { kind, optional, default: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Column, A::Error> {
                Detailed::deserialize(MapAccessDeserializer::new(map))?.column().map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("columns by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Columns(Vec::new());
                while let Some((name, column)) = map.next_entry::<String, Column>()? {
                    if name.is_empty() || name.contains(['.', '[', ']']) {
                        return Err(A::Error::custom(format!(
                            "{name:?} is no column's name: it is empty or has one of . [ ]"
                        )));
                    }
                    if columns.find(&name).is_some() {
                        return Err(A::Error::custom(format!("column {name:?} is declared twice")));
                    }
                    columns.0.push((name, column));
                }
                Ok(columns)
            }
        }

        deserializer.deserialize_map(Named)
    }
}
