//! The gate, shown on a projection that counts and can be told to delete and to refuse.

use events::execution::{ExecutionCancelled, ExecutionFailed, ToolUsed};
use events::{EventId, ExecutionEvent, ExecutionId, Metadata, Recorded, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::harness::given;

/// Counts tool uses, deletes on cancellation, refuses failures.
#[derive(Debug)]
struct Uses;

impl Projection for Uses {
    const NAME: &'static str = "uses-test";
    type Event = ExecutionEvent;
    type View = u64;

    fn apply(view: Option<u64>, event: &Recorded<ExecutionEvent>) -> Result<Option<u64>, Refusal> {
        match event.payload {
            ExecutionEvent::Cancelled(_) => Ok(None),
            ExecutionEvent::Failed(_) => Err(Refusal::new("a failure is not counted")),
            _ => Ok(Some(view.unwrap_or(0) + 1)),
        }
    }
}

/// Keeps the step of the newest tool use; `SUMS` makes it one that depends on the past.
#[derive(Debug)]
struct Newest<const SUMS: bool>;

impl<const SUMS: bool> Projection for Newest<SUMS> {
    const NAME: &'static str = "newest-test";
    const MODE: Mode = Mode::Snapshot;
    type Event = ExecutionEvent;
    type View = i64;

    fn apply(view: Option<i64>, event: &Recorded<ExecutionEvent>) -> Result<Option<i64>, Refusal> {
        match &event.payload {
            ExecutionEvent::ToolUsed(used) if SUMS => Ok(Some(view.unwrap_or(0) + i64::from(used.step))),
            ExecutionEvent::ToolUsed(used) => Ok(Some(i64::from(used.step))),
            _ => Ok(None),
        }
    }
}

fn id() -> ExecutionId {
    ExecutionId(Uuid::from_u128(7))
}

fn at(version: u64, payload: ExecutionEvent) -> Recorded<ExecutionEvent> {
    Recorded {
        tenant: "acme".parse().unwrap(),
        aggregate_id: id().into(),
        version,
        event_id: EventId(Uuid::from_u128(u128::from(version))),
        recorded_at: Timestamp::from_micros(0),
        metadata: Metadata::default(),
        payload,
    }
}

fn payload() -> Digest {
    Digest::of(b"payload")
}

fn used(version: u64) -> Recorded<ExecutionEvent> {
    used_in(version, 1)
}

fn used_in(version: u64, step: i32) -> Recorded<ExecutionEvent> {
    let occurred_at = Timestamp::from_micros(0);
    let used =
        ToolUsed { execution_id: id(), occurred_at, step, tool: None, exit_code: None, output_bytes: 0 };
    at(version, used.into())
}

fn cancelled(version: u64) -> Recorded<ExecutionEvent> {
    let (occurred_at, reason) = (Timestamp::from_micros(0), String::new());
    at(version, ExecutionCancelled { execution_id: id(), occurred_at, reason, cancelled_by: None }.into())
}

fn failed(version: u64) -> Recorded<ExecutionEvent> {
    let (error_class, message) = (String::new(), String::new());
    let occurred_at = Timestamp::from_micros(0);
    at(version, ExecutionFailed { execution_id: id(), occurred_at, error_class, message }.into())
}

#[test]
fn the_next_version_is_applied() {
    given::<Uses>([used(1), used(2)]).redelivered().then(id(), Some(2)).at_version(id(), 2);
}

#[test]
fn a_duplicate_has_no_effect() {
    given::<Uses>([used(1), used(2), used(1), used(2), used(3)]).redelivered().then(id(), Some(3));
}

#[test]
fn a_deleted_view_stays_away_when_its_past_returns() {
    given::<Uses>([used(1), cancelled(2)]).redelivered().then(id(), None).at_version(id(), 2);
}

#[test]
fn a_gap_stops_the_key() {
    given::<Uses>([used(1), used(3), used(4)]).redelivered().gap(id(), 2, 3).then(id(), Some(1));
}

#[test]
fn a_refusal_stops_the_key() {
    given::<Uses>([used(1), failed(2), used(3)])
        .redelivered()
        .refused(id(), "not counted")
        .then(id(), Some(1));
}

#[test]
fn a_view_that_has_expired_only_counts_what_changes_and_is_back_with_what_says_all() {
    let expired = |version| Row::<u64> { version, is_expired: true, ..Row::default() };
    let Step::Applied(row) = step::<Uses>(expired(1), &failed(2), payload()) else { panic!("it counts") };
    let mut sum = Sum::default();
    sum.add(id().into(), 2, EventId(Uuid::from_u128(2)), payload());
    assert_eq!(row, Row { sum, ..expired(2) });
    assert_eq!(step::<Uses>(row.clone(), &used(2), payload()), Step::Stale);
    assert_eq!(step::<Uses>(row, &used(4), payload()), Step::Gap { expected: 3, found: 4 });

    let expired = Row::<i64> { version: 1, is_expired: true, ..Row::default() };
    let Step::Applied(row) = step::<Newest<false>>(expired, &used_in(2, 20), payload()) else {
        panic!("it is new")
    };
    assert_eq!((row.view, row.is_expired), (Some(20), false));
}

#[test]
fn no_version_is_next_to_the_last_one() {
    let row = Row { version: u64::MAX, view: Some(1), ..Row::default() };
    assert_eq!(step::<Uses>(row, &used(5), payload()), Step::Stale);
}

#[test]
fn a_snapshot_is_taken_whatever_is_missing_before_it_and_no_older_one_after_it() {
    given::<Newest<false>>([used_in(1, 10), used_in(4, 40), used_in(2, 20), used_in(3, 30)])
        .redelivered()
        .newest_alone()
        .then(id(), Some(40))
        .at_version(id(), 4);
    given::<Newest<false>>([cancelled(4), used_in(3, 30)])
        .newest_alone()
        .then(id(), None)
        .at_version(id(), 4);
}

#[test]
#[should_panic(expected = "version 2 alone leads to")]
fn a_projection_of_snapshots_that_depends_on_the_past_is_found() {
    given::<Newest<true>>([used_in(1, 10), used_in(2, 20)]).newest_alone();
}

proptest! {
    #[test]
    fn any_delivery_applies_each_version_once_and_in_order(versions in prop::collection::vec(0u64..12, 0..60)) {
        let mut row = Row::default();
        for version in versions {
            let before: Row<u64> = row.clone();
            match step::<Uses>(before.clone(), &used(version), payload()) {
                Step::Applied(next) => {
                    prop_assert_eq!(version, before.version + 1);
                    row = next;
                }
                Step::Stale => prop_assert!(version <= before.version),
                Step::Gap { expected, found } => {
                    prop_assert_eq!((expected, found), (before.version + 1, version));
                    prop_assert!(found > expected);
                }
                Step::Refused(refusal) => prop_assert!(false, "{refusal}"),
            }
            prop_assert_eq!(row.view.unwrap_or(0), row.version, "each version counted once");
        }
    }

    #[test]
    fn repeating_any_part_changes_nothing(length in 1u64..20, copies in prop::collection::vec((0usize..40, 1u64..20), 0..20)) {
        let mut events: Vec<u64> = (1..=length).collect();
        for (place, version) in copies {
            // A copy can only come behind its original.
            let original = events.iter().position(|v| *v == version);
            let Some(original) = original else { continue };
            events.insert((original + 1 + place).min(events.len()), version);
        }
        given::<Uses>(events.into_iter().map(used)).redelivered().then(id(), Some(length));
    }
}
