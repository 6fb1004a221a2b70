//! What a topic's retention took is counted, and nothing else may be gone with it.

use events::{Digest, Sum};

use super::histories::*;
use crate::{Kind, Pruned, Reason, Report, Stage, Verdict};

/// Aggregates 1 and 4 share a partition, which has lost its first two records, of events recorded at 0 and 1 us.
fn expired() -> History {
    let mut history = History::of(&[1, 4, 1, 4, 2]);
    history.topic.drain(..2);
    history.shortened = vec![(1, 2)];
    history
}

fn first(report: &Report) -> Option<(Stage, Kind, Option<u64>)> {
    report.first().map(|first| (first.stage, first.kind, first.version))
}

#[test]
fn what_expired_is_counted() {
    let report = expired().compare();
    assert_eq!((report.verdict(), report.counts.topic.expired), (Verdict::Proved, 2), "{report}");
    assert!(report.to_string().contains("2 events have left them by retention"), "{report}");
}

#[test]
fn a_topic_that_has_its_beginning_lost_nothing_by_retention() {
    let report = History { shortened: vec![], ..expired() }.compare();
    assert_eq!(first(&report), Some((Stage::Topic, Kind::Missing, Some(1))));
}

#[test]
fn what_was_recorded_after_the_beginning_is_missing() {
    let report = History { shortened: vec![(1, 1)], ..expired() }.compare();
    assert_eq!(
        first(&report),
        Some((Stage::Topic, Kind::Missing, Some(1))),
        "aggregate 4's, recorded at 1 us"
    );
    assert_eq!(report.counts.topic.expired, 1);
}

#[test]
fn nothing_expires_behind_an_event_that_is_there() {
    let mut history = expired();
    history.topic.retain(|record| record.event.event_id != event(2));
    history.topic.insert(0, Published::of(&history.store[0].clone()));
    history.shortened = vec![(1, 100)];
    let report = history.compare();
    assert_eq!(first(&report), Some((Stage::Topic, Kind::Missing, Some(2))), "{report}");
}

#[test]
fn another_partition_that_lost_its_beginning_explains_nothing() {
    let report = History { shortened: vec![(0, 2)], ..expired() }.compare();
    assert_eq!(first(&report), Some((Stage::Topic, Kind::Missing, Some(1))));
}

#[test]
fn what_left_the_store_may_expire_too() {
    let mut history = expired();
    let gone = history.store.remove(0);
    let mut digest = Sum::default();
    digest.add(gone.aggregate_id, 1, gone.event_id, Digest::of(&gone.payload));
    history.pruned = vec![Pruned {
        topic: TOPIC.into(),
        tenant: gone.tenant,
        aggregate_id: gone.aggregate_id,
        from_version: 1,
        to_version: 1,
        reason: Reason::Archived,
        digest,
    }];
    let report = history.compare();
    assert_eq!((report.verdict(), report.counts.topic.expired), (Verdict::Proved, 2), "{report}");
    history.shortened = vec![];
    assert_eq!(history.compare().verdict(), Verdict::Refuted);
}
