//! From what a source has to what the columns say it is.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::column::{Column, Columns, Kind};
use crate::decimal::{scaled, whole};
use crate::value::Value;
use crate::{Raw, Refused, time};

/// The row's values in the order of the columns. A name that is not declared is refused: it might mean something.
pub(crate) fn record(columns: &Columns, raw: &Raw, at: &str) -> Result<Vec<Value>, Refused> {
    let field = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let Raw::Record(entries) = raw else {
        let here = if at.is_empty() { "." } else { at };
        return Err(Refused::at(here, format!("is {}, not a record", raw.kind())));
    };
    if let Some((name, _)) = entries.iter().find(|(name, _)| columns.find(name).is_none()) {
        return Err(Refused::at(field(name), "is not declared among the columns"));
    }
    let value = |(name, column): &(String, Column)| {
        let found = entries.iter().find(|(other, _)| other == name).map(|(_, raw)| raw);
        of_column(column, found.unwrap_or(&Raw::Absent), || field(name))
    };
    columns.0.iter().map(value).collect()
}

fn of_column(column: &Column, raw: &Raw, field: impl Fn() -> String) -> Result<Value, Refused> {
    match (&column.kind, raw) {
        (Kind::Ignored, _) => Ok(Value::Absent),
        (_, Raw::Absent) => match &column.default {
            Some(default) => Ok(default.clone()),
            None if column.optional => Ok(Value::Absent),
            None => Err(Refused::at(field(), "is missing")),
        },
        (Kind::Record(columns), raw) => record(columns, raw, &field()).map(Value::Record),
        (Kind::List(columns), Raw::List(items)) => {
            let item =
                |(place, item)| record(columns, item, &format!("{}[{place}]", field())).map(Value::Record);
            items.iter().enumerate().map(item).collect::<Result<_, _>>().map(Value::List)
        }
        (kind, raw) => scalar(kind, raw).map_err(|reason| Refused::at(field(), reason)),
    }
}

fn scalar(kind: &Kind, raw: &Raw) -> Result<Value, String> {
    match kind {
        Kind::Text => text(raw).map(|text| Value::Text(text.to_owned())),
        Kind::Hex(digits) => hex(text(raw)?, *digits),
        Kind::Integer | Kind::NanoUsd => whole(number(raw)?).map(Value::Integer),
        Kind::Natural => match whole(number(raw)?)? {
            negative @ ..0 => Err(format!("is {negative}, and cannot be negative")),
            natural => Ok(Value::Integer(natural)),
        },
        Kind::Boolean => boolean(raw).map(Value::Boolean),
        Kind::Uuid => {
            let id = Uuid::try_parse(text(raw)?).map_err(|_| "is no UUID".to_owned())?;
            Ok(Value::Text(id.hyphenated().to_string()))
        }
        Kind::Usd => scaled(number(raw)?, 9).map(Value::Integer),
        Kind::Cents => scaled(number(raw)?, 7).map(Value::Integer),
        Kind::Since1970(micros_each) => time::since_1970(number(raw)?, *micros_each).map(Value::Time),
        Kind::Rfc3339 => time::with_offset(text(raw)?).map(Value::Time),
        Kind::Local(zone) => time::local(text(raw)?, zone).map(Value::Time),
        Kind::OneOf(meanings) => one_of(meanings, raw),
        Kind::List(_) => Err(format!("is {}, not a list", raw.kind())),
        Kind::Record(_) | Kind::Ignored => {
            unreachable!("a column's record is read as one, and what is ignored is not read")
        }
    }
}

fn text(raw: &Raw) -> Result<&str, String> {
    match raw {
        Raw::Text(text) => Ok(text),
        other => Err(format!("is {}, not a text", other.kind())),
    }
}

/// CSV knows nothing but texts, and exact decimals often travel as such in JSON, so a number may be quoted.
fn number(raw: &Raw) -> Result<&str, String> {
    match raw {
        Raw::Number(text) | Raw::Text(text) => Ok(text),
        other => Err(format!("is {}, not a number", other.kind())),
    }
}

fn boolean(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Boolean(value) => Ok(*value),
        Raw::Text(text) if matches!(&**text, "true" | "t") => Ok(true),
        Raw::Text(text) if matches!(&**text, "false" | "f") => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

fn hex(text: &str, digits: usize) -> Result<Value, String> {
    if text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Value::Text(text.to_owned()));
    }
    Err(format!("is not {digits} hex digits"))
}

fn one_of(meanings: &BTreeMap<String, Value>, raw: &Raw) -> Result<Value, String> {
    let text = match raw {
        Raw::Text(text) | Raw::Number(text) => text,
        Raw::Boolean(true) => "true",
        Raw::Boolean(false) => "false",
        Raw::Absent | Raw::List(_) | Raw::Record(_) => return Err(format!("is {}", raw.kind())),
    };
    let known = || meanings.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    meanings.get(text).cloned().ok_or_else(|| format!("is none of {}", known()))
}
