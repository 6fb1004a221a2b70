//! One day of the outbox.

use chrono::{Days, NaiveDate};

const PREFIX: &str = "outbox_";
const FORMAT: &str = "%Y%m%d";

/// A partition as the catalog shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The day whose rows it holds, in UTC.
    pub day: NaiveDate,
    /// Whether a detach was begun and not finished (the process died in between).
    pub half_detached: bool,
    /// Whether it belongs to the outbox at all, or was detached and not yet dropped.
    pub attached: bool,
}

impl Partition {
    /// Reads the day out of a partition's name; `None` for a table that is none.
    pub(crate) fn day_of(table: &str) -> Option<NaiveDate> {
        NaiveDate::parse_from_str(table.strip_prefix(PREFIX)?, FORMAT).ok()
    }

    /// The partition's table.
    pub fn table(&self) -> String {
        format!("{PREFIX}{}", self.day.format(FORMAT))
    }

    /// Whether all of its rows are older than `days_kept` whole days before `today`.
    pub(crate) fn is_past(&self, today: NaiveDate, days_kept: u16) -> bool {
        self.day
            .checked_add_days(Days::new(u64::from(days_kept)))
            .is_some_and(|kept_until| kept_until < today)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn a_partition_is_named_after_its_day() {
        let partition = Partition { day: day("2026-11-21"), half_detached: false, attached: true };
        assert_eq!(partition.table(), "outbox_20261121");
        assert_eq!(Partition::day_of("outbox_20261121"), Some(partition.day));
        assert_eq!(Partition::day_of("outbox_migration"), None);
    }

    #[test]
    fn kept_days_are_counted_in_whole_days_before_today() {
        let partition = Partition { day: day("2026-11-18"), half_detached: false, attached: true };
        assert!(!partition.is_past(day("2026-11-21"), 3));
        assert!(partition.is_past(day("2026-11-22"), 3));
        assert!(!partition.is_past(day("2026-11-18"), 0));
    }
}
