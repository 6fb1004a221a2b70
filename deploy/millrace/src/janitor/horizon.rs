//! How many days may pass before the outbox has no place for an event.

use std::sync::Mutex;

use chrono::{Days, NaiveDate, Utc};
use outbox::{Outbox, Partition};

use super::metrics::Metrics;

/// With fewer days ahead a janitor says that it is not ready: time enough for somebody to come.
const DAYS_AHEAD_MIN: i64 = 2;

/// The last day of those that follow today without a gap, as it was last seen. It is compared with the calendar each time it is
/// asked for, so that it also runs out while the database cannot be reached.
#[derive(Debug, Default)]
pub(crate) struct Horizon(Mutex<Option<NaiveDate>>);

impl Horizon {
    pub(crate) async fn look(&self, outbox: &Outbox, metrics: &Metrics) -> Result<(), outbox::Error> {
        let (partitions, today) = (outbox.partitions().await?, Utc::now().date_naive());
        let last = last_day(&partitions, today);
        metrics.outbox_days_ahead.set(days_ahead(last, today));
        *self.0.lock().expect("nothing panics while it is held") = last;
        Ok(())
    }

    pub(crate) fn judge(&self, today: NaiveDate) -> Result<(), String> {
        let last = *self.0.lock().expect("nothing panics while it is held");
        match days_ahead(last, today) {
            DAYS_AHEAD_MIN.. => Ok(()),
            days => Err(format!("the outbox has {days} days ahead, fewer than {DAYS_AHEAD_MIN}")),
        }
    }
}

/// Up to which day there is a partition for every day from today on.
fn last_day(partitions: &[Partition], today: NaiveDate) -> Option<NaiveDate> {
    let has = |day: &NaiveDate| {
        partitions
            .iter()
            .any(|partition| partition.attached && !partition.half_detached && partition.day == *day)
    };
    today.iter_days().take_while(has).last()
}

/// Whole days after today; -1 where not even today has its place.
fn days_ahead(last: Option<NaiveDate>, today: NaiveDate) -> i64 {
    let yesterday = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    (last.unwrap_or(yesterday) - today).num_days()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_ends_the_horizon_and_the_calendar_uses_it_up() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        let partition = |text, attached| Partition { day: day(text), half_detached: false, attached };
        let partitions = [
            partition("2026-11-20", true),
            partition("2026-11-21", true),
            partition("2026-11-22", true),
            partition("2026-11-23", true),
            partition("2026-11-24", false),
            partition("2026-11-25", true),
        ];
        let today = day("2026-11-21");
        let last = last_day(&partitions, today);
        assert_eq!(last, Some(day("2026-11-23")));
        assert_eq!(last_day(&[], today), None);

        let horizon = Horizon(Mutex::new(last));
        assert_eq!(horizon.judge(today), Ok(()));
        assert!(horizon.judge(day("2026-11-22")).is_err());
        assert_eq!((days_ahead(None, today), days_ahead(Some(today), today)), (-1, 0));
        assert!(Horizon::default().judge(today).is_err(), "nothing seen is nothing known");
    }
}
