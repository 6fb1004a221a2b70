//! What was let by on its way is listed, and nothing else may be missing with it.

use super::histories::*;
use crate::{Kind, Skipped, Stage, Verdict};

/// The topic lacks the events at these places.
fn without(places: &[u64]) -> History {
    let mut history = History::of(&[1, 2, 3]);
    history.topic.retain(|record| places.iter().all(|place| record.event.event_id != event(*place)));
    history
}

fn skipped(place: u64) -> Skipped {
    Skipped { event_id: event(place), lsn: "0/16B3748".into(), reason: "too large (mara)".into() }
}

#[test]
fn an_event_that_was_let_by_is_listed_and_not_missing() {
    let report = History { skipped: vec![skipped(1)], ..without(&[1]) }.compare();
    assert_eq!((report.verdict(), &report.skipped), (Verdict::Proved, &vec![skipped(1)]), "{report}");
    let line = format!("skipped: the row of event {} at 0/16B3748 of the log (too large (mara))", event(1));
    assert!(report.to_string().contains(&line), "{report}");
}

#[test]
fn its_neighbour_is_missing() {
    let report = History { skipped: vec![skipped(1)], ..without(&[1, 2]) }.compare();
    let found: Vec<_> = report.findings.iter().map(|it| (it.stage, it.kind, it.event_id)).collect();
    assert_eq!(found, [(Stage::Topic, Kind::Missing, Some(event(2)))], "{report}");
}
