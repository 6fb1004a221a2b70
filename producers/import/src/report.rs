//! What an import did, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use mapping::Mapping;
use serde::{Serialize, Serializer};

use crate::Planned;

/// Rows and what they led to. Rows = applied + rejected, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows of the source.
    pub rows: u64,
    /// Rows whose whole history is stored, by this run or before.
    pub rows_applied: u64,
    /// Rows that were refused.
    pub rows_rejected: u64,
    /// Events that this run stored.
    pub events_appended: u64,
    /// Events that were stored before.
    pub events_present: u64,
    /// Commands of applied rows by type.
    pub commands: BTreeMap<String, u64>,
    /// Sums over applied rows by name.
    pub sums: BTreeMap<String, Total>,
}

impl Counts {
    /// An applied row.
    pub(crate) fn add(&mut self, mapping: &Mapping, row: &Planned) {
        self.rows_applied += 1;
        for (command, count) in &row.commands {
            *self.commands.entry(command.clone()).or_default() += count;
        }
        for (sum, value) in mapping.sums.iter().zip(&row.sums) {
            self.sums.entry(sum.name.clone()).or_default().0 += value;
        }
    }
}

/// A sum over very many rows: larger than one number of a row can be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total(pub i128);

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number, or a text where JSON's readers would round it.
impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.0) {
            Ok(number) => serializer.serialize_i64(number),
            Err(_) => serializer.collect_str(&self.0),
        }
    }
}

/// What a run or a validation did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In numbers.
    #[serde(flatten)]
    pub counts: Counts,
    /// Whether the source was read to its end.
    pub complete: bool,
}

/// A sum on both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SumFound {
    /// Over the column of the rows.
    pub source: Total,
    /// Over the field of the stored events.
    pub store: Total,
}

/// How source and store compare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Rows of the source.
    pub rows: u64,
    /// Rows whose whole history is stored as the source tells it.
    pub rows_equal: u64,
    /// Rows that were refused, and so have no history.
    pub rows_rejected: u64,
    /// Rows whose history is not there, or not all of it.
    pub rows_missing: u64,
    /// Rows whose aggregate tells another history.
    pub rows_different: u64,
    /// Events the rows lead to.
    pub events_expected: u64,
    /// Of these, stored.
    pub events_found: u64,
    /// Commands by type.
    pub commands: BTreeMap<String, u64>,
    /// Stored events by type.
    pub events: BTreeMap<String, u64>,
    /// The mapping's sums by name.
    pub sums: BTreeMap<String, SumFound>,
    /// The first differences, in words.
    pub differences: Vec<String>,
}

impl Verified {
    /// Whether nothing is lost, nothing is different, and everything adds up.
    pub fn holds(&self) -> bool {
        self.rows == self.rows_equal + self.rows_rejected
            && self.events_expected == self.events_found
            && self.sums.values().all(|sum| sum.source == sum.store)
            && self.differences.is_empty()
    }
}
