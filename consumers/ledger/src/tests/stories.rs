//! What a report says, and what it takes as an explanation.

use super::histories::*;
use events::Digest;
use projection::Row;

use crate::{Decided, Exceptions, Kind, Ledger, Parked, Report, Sampled, Sink, Stage, Verdict};

#[test]
fn nothing_compared_is_nothing_proved() {
    let report = Ledger::new().finish();
    assert_eq!(report.verdict(), Verdict::Vacuous);
    assert!(!report.is_proved());
    assert!(report.to_string().contains("nothing is proved"), "{report}");
}

#[test]
fn a_sink_that_folded_nothing_proves_nothing() {
    let mut history = History::of(&[1]);
    (history.rows, history.totals, history.ranks) = (vec![], vec![], vec![]);
    history.exceptions.park(Parked {
        partition: 1,
        offset: 0,
        event: Some((aggregate(1), 1)),
        reason: "refused".into(),
    });
    assert_eq!(history.compare().verdict(), Verdict::Vacuous);
}

/// What is found of one row of three that were picked out of a sink with many more, totals left out.
fn sampled(row: impl FnOnce(&mut Applied)) -> (u64, Vec<String>) {
    let mut history = History::of(&[1, 2, 1, 3, 1]);
    row(&mut history.rows[0]);
    let mut sink = Sink::<Outputs>::default();
    for Applied { tenant, aggregate_id, version, view, is_expired, sum } in history.rows {
        sink.row(&tenant, aggregate_id, Row { version, view, is_expired, sum });
    }
    history.store.iter().for_each(|stored| sink.store(&stored.record(), decode));
    let Sampled { folded, findings, .. } = sink.sampled();
    let found = findings.take().0.into_iter();
    let found = found.map(|it| (it.kind, it.aggregate_id, it.version, it.detail));
    let say = |(kind, id, version, detail)| {
        assert_eq!((kind, id, version), (Kind::Diverged, Some(aggregate(1)), Some(3)));
        detail
    };
    (folded, found.map(say).collect())
}

#[test]
fn a_sample_names_in_what_a_row_differs() {
    assert_eq!(sampled(|_| {}), (3, vec![]));
    let fold = "the row is not the fold of its events up to here: ";
    let differing = |view: Option<Output>| sampled(|row| row.view = view).1;
    assert_eq!(differing(None), [format!("{fold}it has no view")]);
    assert_eq!(differing(Some(Output { uses: 3, bytes: 0 })), [format!("{fold}bytes differs")]);
    assert_eq!(differing(Some(Output { uses: 0, bytes: 0 })), [format!("{fold}bytes, uses differ")]);
}

#[test]
fn a_view_that_was_finished_may_expire_and_is_compared_by_its_events_alone() {
    let mut history = History::of(&[1, 2, 1, 1]);
    let expire = |row: &mut Applied| (row.view, row.is_expired) = (None, true);
    expire(&mut history.rows[0]);
    history.settle();
    let report = history.compare();
    assert!(report.is_proved(), "{report}");
    assert_eq!((report.counts.sinks[0].rows, report.counts.sinks[0].expired), (2, 1));

    let foreign = Digest::of(b"of another event");
    let mut wrong = history.clone();
    wrong.rows[0].sum.add(aggregate(1), 3, event(3), foreign);
    let found = wrong.compare().first().cloned().unwrap();
    assert_eq!((found.kind, found.aggregate_id), (Kind::Diverged, Some(aggregate(1))));
    assert!(found.detail.contains("made of other events"), "{found}");

    // One that is not done yet may not.
    expire(&mut history.rows[1]);
    history.settle();
    let found = history.compare().first().cloned().unwrap();
    assert_eq!((found.kind, found.aggregate_id), (Kind::Diverged, Some(aggregate(2))));
    assert!(found.detail.contains("it has no view"), "{found}");
    assert_eq!(sampled(|row| (row.view, row.is_expired) = (None, true)), (2, vec![]));
}

#[test]
fn the_first_dropped_outbox_row_is_named() {
    let mut history = History::of(&[1, 2, 1, 2, 1]);
    history.topic.remove(3);
    history.topic.remove(2);
    let report = history.compare();
    let first = report.first().unwrap();
    assert_eq!((first.stage, first.kind, first.event_id), (Stage::Topic, Kind::Missing, Some(event(2))));
    assert_eq!((first.aggregate_id, first.version), (Some(aggregate(1)), Some(2)));
    assert!(report.to_string().contains(&event(2).to_string()), "{report}");
    assert_eq!(report.found, [(Stage::Topic, Kind::Missing, 2)]);
}

#[test]
fn a_version_that_is_missing_is_not_called_reordered_too() {
    let mut history = History::of(&[1, 1, 1]);
    history.topic.remove(1);
    assert_eq!(history.compare().found, [(Stage::Topic, Kind::Missing, 1)]);
}

#[test]
fn a_finding_in_the_topic_has_its_partition_and_offset() {
    let mut history = History::of(&[1, 1, 1]);
    history.topic.swap(1, 2);
    let report = history.compare();
    let first = report.first().unwrap();
    assert_eq!((first.kind, first.version), (Kind::Reordered, Some(2)));
    assert_eq!((first.partition, first.offset), (Some(1), Some(2)));
}

/// Aggregate 1 stands at version 2 of 4 in the sink.
fn behind(exceptions: Exceptions) -> History {
    let mut history = History::of(&[1, 1, 2, 1, 1]);
    let part = History::of(&[1, 1, 2]);
    (history.rows, history.totals, history.ranks) = (part.rows, part.totals, part.ranks);
    history.exceptions = exceptions;
    history
}

fn parked(version: u64) -> Parked {
    Parked {
        partition: 1,
        offset: version as i64 - 1,
        event: Some((aggregate(1), version)),
        reason: "refused".into(),
    }
}

#[test]
fn parked_versions_are_explained_and_listed() {
    let mut exceptions = Exceptions::default();
    exceptions.park(parked(3));
    exceptions.park(parked(4));
    // A copy that arrived while the key was parked explains nothing and disturbs nothing.
    exceptions.park(parked(1));
    let report = behind(exceptions).compare();
    assert!(report.is_proved(), "{report}");
    let explained: Vec<_> =
        report.explained.iter().map(|e| (e.decided, e.finding.version, &*e.reason)).collect();
    assert_eq!(explained, [(false, Some(3), "refused"), (false, Some(4), "refused")]);
    assert_eq!(report.counts.sinks[0].explained, 2);
    assert!(report.to_string().contains("explained: missing at outputs-test"), "{report}");
    let sentence = "proved: every event is everywhere, once, in order and unchanged, but for what is explained: 2 parked\n";
    assert!(report.to_string().ends_with(sentence), "{report}");
}

#[test]
fn a_parked_key_does_not_explain_a_version_that_is_not_parked() {
    let mut exceptions = Exceptions::default();
    exceptions.park(parked(3));
    let report = behind(exceptions).compare();
    assert_eq!(report.found, [(Stage::Sink("outputs-test"), Kind::Missing, 1)]);
    assert_eq!(report.first().and_then(|finding| finding.version), Some(4));
}

#[test]
fn a_decision_takes_the_effect_of_its_version_away_and_is_listed() {
    let mut history = History::of(&[1, 1, 2, 1]);
    let mut decided = history.clone();
    decided.rows.clear();
    for stored in
        history.store.iter().filter(|stored| (stored.aggregate_id, stored.version) != (aggregate(1), 2))
    {
        decided.apply(stored);
    }
    decided.settle();
    let decision =
        Decided { record: Some((1, 1)), event: Some((aggregate(1), 2)), reason: "wrong, says ana".into() };
    assert_eq!(decided.compare().verdict(), Verdict::Refuted, "a version without effect needs its decision");
    decided.exceptions.decide(decision.clone());
    let report = decided.compare();
    assert!(report.is_proved(), "{report}");
    assert_eq!(report.explained.len(), 1);
    assert!(report.explained[0].decided);
    assert!(report.to_string().ends_with("explained: 1 done without by decision\n"), "{report}");
    // And a version that was decided away must not have an effect.
    history.exceptions.decide(decision);
    assert_eq!(history.compare().found, [(Stage::Sink("outputs-test"), Kind::Diverged, 1)]);
}

/// A record that is no event lies behind the others in partition 0.
fn poisoned(exceptions: Exceptions) -> Report {
    History { exceptions, poison: Some((0, 7)), ..History::of(&[1, 1]) }.compare()
}

#[test]
fn a_foreign_record_stays_a_finding_until_it_is_decided() {
    let mut exceptions = Exceptions::default();
    let report = poisoned(exceptions.clone());
    let first = report.first().unwrap();
    assert_eq!((first.kind, first.partition, first.offset), (Kind::Foreign, Some(0), Some(7)));
    assert!(first.detail.contains("\"poison\""), "{first}");

    exceptions.park(Parked { partition: 0, offset: 7, event: None, reason: "undecodable".into() });
    let report = poisoned(exceptions.clone());
    assert!(report.first().unwrap().detail.contains("parked in outputs-test"), "{report}");

    exceptions.decide(Decided { record: Some((0, 7)), event: None, reason: "garbage, says ana".into() });
    let report = poisoned(exceptions);
    assert!(report.is_proved(), "{report}");
    assert_eq!(report.explained[0].finding.offset, Some(7));
    assert_eq!(report.counts.topic.foreign, 1);
}

#[test]
fn the_report_is_json_too() {
    let mut history = History::of(&[1, 2]);
    history.topic.remove(0);
    let report = serde_json::to_value(history.compare()).unwrap();
    assert_eq!(report["verdict"], "refuted");
    assert_eq!(report["findings"][0]["kind"], "missing");
    assert_eq!(report["findings"][0]["event_id"], event(0).to_string());
    assert_eq!(report["counts"]["sinks"][0]["projection"], "outputs-test");
    assert_eq!(report["found"][0]["count"], 1);
}

#[test]
fn an_event_on_another_topic_is_named_with_both() {
    let mut history = History::of(&[1, 2]);
    history.topic[1].topic = "agents.workflow.events";
    let report = history.compare();
    let first = report.first().unwrap();
    assert_eq!((first.kind, first.topic.as_deref()), (Kind::Scattered, Some("agents.workflow.events")));
    assert!(first.detail.contains(TOPIC), "{report}");
}
