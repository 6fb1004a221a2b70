//! What left the store on purpose is a counted set, and nothing more may be gone.

use events::{Digest, Sum};

use super::histories::*;
use crate::{Kind, Pruned, PrunedCounts, Reason, Stage, Verdict};

/// Aggregate 1 has versions 1 to 3, of which the first two left the store.
fn archived() -> History {
    let mut history = History::of(&[1, 2, 1, 1]);
    let (gone, stays): (Vec<_>, Vec<_>) = history
        .store
        .drain(..)
        .partition(|stored| stored.aggregate_id == aggregate(1) && stored.version <= 2);
    history.store = stays;
    history.pruned = vec![range(&gone, Reason::Archived)];
    history
}

fn range(gone: &[Stored], reason: Reason) -> Pruned {
    let mut digest = Sum::default();
    for stored in gone {
        digest.add(stored.aggregate_id, stored.version, stored.event_id, Digest::of(&stored.payload));
    }
    Pruned {
        topic: TOPIC.into(),
        tenant: gone[0].tenant.clone(),
        aggregate_id: gone[0].aggregate_id,
        from_version: gone[0].version,
        to_version: gone[gone.len() - 1].version,
        reason,
        digest,
    }
}

#[test]
fn what_was_archived_is_counted_and_explained() {
    let history = archived();
    let report = history.compare();
    assert_eq!(report.verdict(), Verdict::Proved, "{report}");
    assert_eq!(report.counts.store.pruned, [PrunedCounts { reason: Reason::Archived, ranges: 1, events: 2 }]);
    assert_eq!((report.counts.topic.pruned, report.counts.sinks[0].pruned), (2, 1));
    assert!(report.to_string().contains("archived: 2 events in 1 ranges left the store"), "{report}");

    let unexplained = History { pruned: vec![], ..history }.compare();
    assert_eq!(
        unexplained.first().map(|first| (first.stage, first.kind)),
        Some((Stage::Store, Kind::Missing))
    );
}

#[test]
fn a_pruned_range_that_the_topic_contradicts_is_named() {
    let mut history = archived();
    history.topic[0].event.payload = 99_i64.to_be_bytes().to_vec();
    let report = history.compare();
    let first = report.first().unwrap();
    assert_eq!(
        (first.stage, first.kind, first.aggregate_id),
        (Stage::Topic, Kind::Diverged, Some(aggregate(1)))
    );
}

#[test]
fn a_pruned_event_that_never_reached_the_topic_is_named() {
    let mut history = archived();
    history.topic.remove(2);
    let report = history.compare();
    let first = report.first().unwrap();
    assert_eq!((first.stage, first.kind, first.version), (Stage::Topic, Kind::Missing, Some(2)));
}

#[test]
fn a_record_published_twice_counts_once() {
    let mut history = archived();
    let again = Published::of(&history.topic[0].event);
    history.topic.insert(1, again);
    assert_eq!(history.compare().verdict(), Verdict::Proved);
}

#[test]
fn nothing_more_and_nothing_less_than_the_range_is_gone() {
    let mut history = archived();
    history.pruned[0].to_version = 1;
    assert_eq!(history.compare().verdict(), Verdict::Refuted, "version 2 is gone unexplained");
    let history = History { pruned: archived().pruned, ..History::of(&[1, 2, 1, 1]) };
    let report = history.compare();
    let first = report.first().unwrap();
    assert_eq!((first.stage, first.kind, first.version), (Stage::Store, Kind::Diverged, Some(1)));
}

#[test]
fn a_row_behind_its_store_is_found_though_its_fold_is_not_compared() {
    let mut history = archived();
    let row = history.rows.iter_mut().find(|row| row.aggregate_id == aggregate(1)).unwrap();
    row.version = 2;
    let report = history.compare();
    assert_eq!(report.first().map(|first| (first.kind, first.version)), Some((Kind::Missing, Some(3))));
}

#[test]
fn a_row_that_was_made_of_other_events_than_left_its_store_is_found() {
    let mut history = archived();
    let row = history.rows.iter_mut().find(|row| row.aggregate_id == aggregate(1)).unwrap();
    row.sum.merge(Sum::from_bytes([1; 16]));
    let report = history.compare();
    assert_eq!(report.first().map(|first| (first.kind, first.version)), Some((Kind::Diverged, Some(3))));
    assert!(report.to_string().contains("the row was made of other events"), "{report}");
}

#[test]
fn a_removed_tenant_has_no_view_left() {
    let mut history = History::of(&[1, 2, 1]);
    let (gone, stays): (Vec<_>, Vec<_>) =
        history.store.drain(..).partition(|stored| stored.aggregate_id == aggregate(1));
    history.store = stays;
    history.pruned = vec![range(&gone, Reason::TenantRemoved)];
    let report = history.compare();
    assert!(report.to_string().contains("its tenant was removed, but the sink has a view of it"), "{report}");

    history.rows.iter_mut().filter(|row| row.aggregate_id == aggregate(1)).for_each(|row| row.view = None);
    history.settle();
    assert_eq!(history.compare().verdict(), Verdict::Proved);
}

#[test]
fn records_of_events_that_left_are_held_to_their_order_their_partition_and_their_content() {
    let found = |history: History| history.compare().first().map(|first| (first.stage, first.kind));
    let mut swapped = archived();
    swapped.topic.swap(0, 2);
    assert_eq!(found(swapped), Some((Stage::Topic, Kind::Reordered)));
    let mut scattered = archived();
    scattered.topic[0].partition += 1;
    assert_eq!(found(scattered), Some((Stage::Topic, Kind::Scattered)));
    let mut changed = archived();
    let mut again = changed.topic[0].clone();
    again.event.payload = 99_i64.to_be_bytes().to_vec();
    changed.topic.insert(1, again);
    assert_eq!(found(changed), Some((Stage::Topic, Kind::Diverged)));
}

#[test]
fn a_store_whose_streams_are_all_archived_is_proved_by_version_and_sum() {
    let mut history = History::of(&[1, 1]);
    let gone: Vec<_> = history.store.drain(..1).collect();
    history.pruned = vec![range(&gone, Reason::Archived)];
    let report = history.compare();
    assert_eq!(report.verdict(), Verdict::Proved, "{report}");
    assert!(
        report.to_string().contains("1 rows have events that left the store; compared by version and sum"),
        "{report}"
    );
    assert!(report.to_string().ends_with("but for what is explained: 1 archived\n"), "{report}");
}

#[test]
fn a_reason_that_nobody_knows_is_an_error() {
    assert_eq!("withdrawn".parse(), Ok(Reason::Withdrawn));
    assert!("mislaid".parse::<Reason>().unwrap_err().to_string().contains("mislaid"));
}
