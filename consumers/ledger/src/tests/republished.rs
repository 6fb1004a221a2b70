//! What was published again may come late, and nothing else may with it.

use super::histories::*;
use crate::{Kind, Republished, Stage, Verdict};

/// Aggregate 1 has three events, of which these places come last, in this order.
fn late(places: &[usize]) -> History {
    let mut history = History::of(&[1, 1, 1]);
    for place in places {
        let again = history.topic.iter().position(|it| it.event.event_id == event(*place as u64)).unwrap();
        let record = history.topic.remove(again);
        history.topic.push(record);
    }
    history
}

fn republished(place: u64) -> Republished {
    Republished { event_id: event(place), reason: "the topic lost it (mara)".into() }
}

#[test]
fn an_event_that_was_published_again_is_listed_and_not_out_of_order() {
    let report = History { republished: vec![republished(0)], ..late(&[0]) }.compare();
    assert_eq!((report.verdict(), &report.republished), (Verdict::Proved, &vec![republished(0)]), "{report}");
    let line =
        format!("published again: event {} lies behind later versions (the topic lost it (mara))", event(0));
    assert!(report.to_string().contains(&line), "{report}");
}

#[test]
fn one_that_came_in_order_is_not_listed_and_its_neighbour_is_out_of_order() {
    let report = History { republished: vec![republished(2)], ..late(&[0]) }.compare();
    let found: Vec<_> = report.findings.iter().map(|it| (it.stage, it.kind, it.event_id)).collect();
    assert_eq!(found, [(Stage::Topic, Kind::Reordered, Some(event(0)))], "{report}");
    assert!(report.republished.is_empty());
}
