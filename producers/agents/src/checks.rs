//! What can be said of a field without knowing any past.
//!
//! Whatever is accepted here can be kept, published and summed everywhere downstream: texts that name things fit an
//! index, the tokens and costs of a run stay whole numbers in every reader.

use events::{NanoUsd, Timestamp};
use serde::Serialize;

/// Longest text that names something (a model, a person, an exit status). Views index such texts, and an entry of a
/// B-tree in Postgres takes 2704 bytes, for all its columns together.
pub(crate) const NAME_BYTES_MAX: usize = 512;

/// Longest URI.
pub(crate) const URI_BYTES_MAX: usize = 2048;

/// Longest text that says something, so that no event comes near the size a topic takes (1 MiB).
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// 2^53 - 1: the largest whole number that is exact in a double, such as a score in Redis. As money it is 9 million USD.
pub(crate) const EXACT_MAX: i64 = (1 << 53) - 1;

/// Tokens of one model call. With [`STEPS_MAX`] calls no sum over a run comes near [`EXACT_MAX`].
pub(crate) const TOKENS_MAX: i64 = 1_000_000_000;

/// Model calls of one run.
pub(crate) const STEPS_MAX: i64 = 1_000_000;

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
    /// A number that not every reader could hold, alone or in its sum.
    #[error("{field} is {value}, but at most {max} is possible")]
    TooLarge {
        /// The command's field.
        field: &'static str,
        /// What it says.
        value: i64,
        /// The most it may say.
        max: i64,
    },
    /// A text that not every reader could keep.
    #[error("{field} has {bytes} bytes, but at most {max} are possible")]
    TooLong {
        /// The command's field.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// The most it may have.
        max: usize,
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

pub(crate) fn at_most(max: i64, field: &'static str, value: i64) -> Result<(), Unacceptable> {
    if value > max { Err(Unacceptable::TooLarge { field, value, max }) } else { Ok(()) }
}

pub(crate) fn tokens(field: &'static str, value: i64) -> Result<(), Unacceptable> {
    at_least(0, field, value)?;
    at_most(TOKENS_MAX, field, value)
}

pub(crate) fn money(field: &'static str, amount: Option<NanoUsd>) -> Result<(), Unacceptable> {
    optional(amount, |amount| {
        at_least(0, field, amount.nanos())?;
        at_most(EXACT_MAX, field, amount.nanos())
    })
}

/// A text that names something.
pub(crate) fn name(field: &'static str, value: &str) -> Result<(), Unacceptable> {
    said(field, value, NAME_BYTES_MAX)
}

/// A text that says where something lies.
pub(crate) fn uri(field: &'static str, value: &str) -> Result<(), Unacceptable> {
    said(field, value, URI_BYTES_MAX)
}

/// A text that must say something.
pub(crate) fn words(field: &'static str, value: &str) -> Result<(), Unacceptable> {
    said(field, value, TEXT_BYTES_MAX)
}

/// A text that may be empty.
pub(crate) fn text(field: &'static str, value: &str) -> Result<(), Unacceptable> {
    storable(field, value, TEXT_BYTES_MAX)
}

fn said(field: &'static str, value: &str, max: usize) -> Result<(), Unacceptable> {
    if value.trim().is_empty() {
        return Err(Unacceptable::BadText { field, problem: "is blank" });
    }
    storable(field, value, max)
}

/// Postgres cannot keep a NUL in text or jsonb.
fn storable(field: &'static str, value: &str, max: usize) -> Result<(), Unacceptable> {
    if value.len() > max {
        return Err(Unacceptable::TooLong { field, bytes: value.len(), max });
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
