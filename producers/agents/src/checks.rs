//! What can be said of a field without knowing any past.

use events::{NanoUsd, Timestamp};
use serde::Serialize;

/// The longest text a command may carry, so that no event comes near the size a topic takes (1 MiB).
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// 0001-01-01T00:00:00Z and the last microsecond of the year 9999.
const TIME_RANGE_MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// A field of a command that no aggregate could accept. Fields go by their names in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "type")]
pub enum Unacceptable {
    /// A number that cannot be.
    #[error("{field} is {value}, but at least {min} is needed")]
    TooSmall {
        /// The command's field.
        field: &'static str,
        /// What it says.
        value: i64,
        /// The least it may say.
        min: i64,
    },
    /// A text that cannot be stored or means nothing.
    #[error("{field} {problem}")]
    BadText {
        /// The command's field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A word that this program does not know, so it cannot record what it means.
    #[error("{field} is none of {known}")]
    UnknownWord {
        /// The command's field.
        field: &'static str,
        /// The words it may be.
        known: &'static str,
    },
    /// A time outside the years 1 to 9999, which not every reader could read.
    #[error("occurred_at is {micros} microseconds since 1970, which is outside the years 1 to 9999")]
    TimeOutOfRange {
        /// Microseconds since 1970.
        micros: i64,
    },
}

pub(crate) fn optional<T>(
    value: Option<T>,
    check: impl FnOnce(T) -> Result<(), Unacceptable>,
) -> Result<(), Unacceptable> {
    value.map_or(Ok(()), check)
}

pub(crate) fn at_least(min: i64, field: &'static str, value: i64) -> Result<(), Unacceptable> {
    if value < min { Err(Unacceptable::TooSmall { field, value, min }) } else { Ok(()) }
}

pub(crate) fn money(field: &'static str, amount: Option<NanoUsd>) -> Result<(), Unacceptable> {
    optional(amount, |amount| at_least(0, field, amount.nanos()))
}

/// A text that must say something.
pub(crate) fn word(field: &'static str, value: &str) -> Result<(), Unacceptable> {
    if value.trim().is_empty() {
        return Err(Unacceptable::BadText { field, problem: "is blank" });
    }
    text(field, value)
}

/// A text that may be empty. Postgres cannot keep a NUL in text or jsonb.
pub(crate) fn text(field: &'static str, value: &str) -> Result<(), Unacceptable> {
    if value.len() > TEXT_BYTES_MAX {
        return Err(Unacceptable::BadText { field, problem: "is longer than 65536 bytes" });
    }
    if value.contains('\0') {
        return Err(Unacceptable::BadText { field, problem: "contains a NUL character" });
    }
    Ok(())
}

pub(crate) fn time(at: Timestamp) -> Result<(), Unacceptable> {
    let micros = at.micros();
    if TIME_RANGE_MICROS.contains(&micros) { Ok(()) } else { Err(Unacceptable::TimeOutOfRange { micros }) }
}
