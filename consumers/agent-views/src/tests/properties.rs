//! What holds for every history, and for every mess.

use std::collections::BTreeMap;

use events::{AggregateId, Digest, ExecutionEvent, Recorded};
use projection::harness::given;
use projection::{Contribution, Projection, Row, Step, step};
use proptest::prelude::*;

use super::decided::{decided, fullest};
use super::histories::{history, id, recorded, run};
use crate::{ExecutionsPostgres, ExecutionsRedis};

type Totals = BTreeMap<Vec<(&'static str, String)>, BTreeMap<&'static str, i64>>;

/// Adds a contribution `sign` times; a group whose amounts are all gone is gone.
fn add(totals: &mut Totals, contribution: Option<Contribution>, sign: i64) {
    let Some(Contribution { group, amounts }) = contribution else { return };
    let sums = totals.entry(group.clone()).or_default();
    for (column, amount) in amounts {
        *sums.entry(column).or_default() += sign * amount;
    }
    if sums.values().all(|sum| *sum == 0) {
        totals.remove(&group);
    }
}

/// Some runs, their events interleaved by `picks`.
fn interleave(
    mut histories: Vec<Vec<Recorded<ExecutionEvent>>>,
    picks: Vec<prop::sample::Index>,
) -> Vec<Recorded<ExecutionEvent>> {
    histories.iter_mut().for_each(|history| history.reverse());
    let mut events = Vec::new();
    for pick in picks {
        histories.retain(|history| !history.is_empty());
        if histories.is_empty() {
            return events;
        }
        let history = pick.index(histories.len());
        events.extend(histories[history].pop());
    }
    events.extend(histories.into_iter().flat_map(|history| history.into_iter().rev()));
    events
}

fn runs() -> impl Strategy<Value = Vec<Recorded<ExecutionEvent>>> {
    let histories =
        (history(1), history(2), history(3), history(4)).prop_map(|(a, b, c, d)| vec![a, b, c, d]);
    (histories, prop::collection::vec(any::<prop::sample::Index>(), 0..60))
        .prop_map(|(histories, picks)| interleave(histories, picks))
}

/// Every event of every history is applied.
fn accepts<P: Projection<Event = ExecutionEvent>>(events: &[Recorded<ExecutionEvent>]) {
    let mut story = given::<P>(events.iter().cloned()).redelivered();
    for event in events {
        let last = events.iter().filter(|other| other.aggregate_id == event.aggregate_id).count();
        story = story.at_version(event.aggregate_id, last.try_into().unwrap());
    }
}

proptest! {
    #[test]
    fn both_views_accept_every_history(events in runs()) {
        accepts::<ExecutionsPostgres>(&events);
        accepts::<ExecutionsRedis>(&events);
    }

    #[test]
    fn both_views_accept_every_history_that_the_rules_decide(events in decided()) {
        accepts::<ExecutionsPostgres>(&events);
        accepts::<ExecutionsRedis>(&events);
    }

    #[test]
    fn totals_kept_by_differences_equal_the_sums_over_all_rows(events in runs(), copies in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let mut rows: BTreeMap<AggregateId, Row<_>> = BTreeMap::new();
        let mut totals = Totals::new();
        let again: Vec<_> = copies.iter().map(|copy| copy.get(&events).clone()).collect();
        for event in events.iter().chain(&again) {
            let row = rows.entry(event.aggregate_id).or_default();
            if let Step::Applied(next) = step::<ExecutionsPostgres>(row.clone(), event, Digest::of(&[])) {
                add(&mut totals, row.view.as_ref().and_then(ExecutionsPostgres::contribution), -1);
                add(&mut totals, next.view.as_ref().and_then(ExecutionsPostgres::contribution), 1);
                *row = next;
            }
        }
        let mut sums = Totals::new();
        for row in rows.values() {
            add(&mut sums, row.view.as_ref().and_then(ExecutionsPostgres::contribution), 1);
        }
        prop_assert_eq!(totals, sums);
    }

    #[test]
    fn a_view_reads_back_from_its_document(events in run(1)) {
        let events = recorded(events);
        let story = given::<ExecutionsPostgres>(events.clone());
        let row = story.view(id(1)).expect("it is not taken back");
        let text = serde_json::to_string(row).unwrap();
        prop_assert_eq!(&serde_json::from_str::<crate::ExecutionRow>(&text).unwrap(), row);
        let story = given::<ExecutionsRedis>(events);
        let live = story.view(id(1)).expect("it is not taken back");
        let text = serde_json::to_string(live).unwrap();
        prop_assert_eq!(&serde_json::from_str::<crate::ExecutionLive>(&text).unwrap(), live);
    }

    #[test]
    fn no_mess_makes_a_view_panic(
        events in runs(),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<i64>(), any::<i32>()), 0..40),
    ) {
        // Any event at any place, its amounts replaced by anything.
        let (mut row, mut live) = (None, None);
        for (pick, amount, step) in order {
            let mut event = pick.get(&events).clone();
            match &mut event.payload {
                ExecutionEvent::ModelCalled(call) => {
                    (call.prompt_tokens, call.cost) = (amount, Some(events::NanoUsd::new(amount)));
                    call.step = if step % 2 == 0 { step } else { call.step };
                }
                ExecutionEvent::Completed(completed) => completed.reported_cost = Some(events::NanoUsd::new(amount)),
                ExecutionEvent::Failed(failed) => failed.occurred_at = events::Timestamp::from_micros(amount),
                _ => {}
            }
            if let Ok(next) = ExecutionsPostgres::apply(row.clone(), &event) {
                row = next;
            }
            if let Ok(next) = ExecutionsRedis::apply(live.clone(), &event) {
                live = next;
            }
        }
    }
}

/// What a run may say at most is drawn, and fits.
#[test]
fn the_fullest_run_that_the_rules_decide_is_accepted() {
    let events = fullest();
    accepts::<ExecutionsPostgres>(&events);
    accepts::<ExecutionsRedis>(&events);
    let story = given::<ExecutionsRedis>(events.clone());
    let live = story.view(id(1)).unwrap();
    assert_eq!(ExecutionsRedis::rank(live).map(|rank| rank.score), Some((1 << 53) - 1));
    let story = given::<ExecutionsPostgres>(events);
    let row = story.view(id(1)).unwrap();
    assert_eq!((row.repository.len(), row.prompt_tokens), (512, 2_000_000_000));
}
