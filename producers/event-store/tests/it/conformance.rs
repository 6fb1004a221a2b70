//! What every store promises, asked of each.

use std::sync::atomic::{AtomicI64, Ordering};

use event_store::{
    Append, AppendError, Conflict, EventLog, EventStore, Expected, InMemoryEventStore, Invalid, NewEvent,
    StoredEvent, Until,
};
use events::{AggregateId, EventId, Timestamp};
use sqlx::Executor;

use crate::fixture::{Events, aggregate, append, event, in_memory, join, promises, tenant};

promises! {
    what_is_appended_is_read_back_as_it_was
    versions_count_from_one_and_positions_rise
    an_append_of_several_aggregates_is_all_or_nothing
    a_conflict_says_what_happened_in_between
    a_conflict_carries_at_most_a_hundred_events
    expected_versions_mean_what_they_say
    an_event_id_is_stored_once
    another_tenants_aggregate_answers_like_an_unknown_one
    an_aggregate_keeps_its_type
    an_append_that_makes_no_sense_is_refused
    a_thousand_aggregates_fit_one_append
    history_is_read_in_slices
    history_is_read_as_of_a_version_or_a_moment
    the_log_is_read_in_pages_over_all_tenants
    sixteen_appenders_of_one_aggregate_leave_no_gap
    crossing_batches_never_deadlock
    ten_and_sixty_four_threads_leave_no_gap
}

fn conflict(error: AppendError) -> Conflict {
    match error {
        AppendError::Conflict(mut conflicts) if conflicts.len() == 1 => conflicts.remove(0),
        error => panic!("one conflict is expected, not {error:?}"),
    }
}

fn ids(events: &[StoredEvent]) -> Vec<EventId> {
    events.iter().map(|event| event.event_id).collect()
}

fn new_ids(events: &[NewEvent]) -> Vec<EventId> {
    events.iter().map(|event| event.event_id).collect()
}

fn versions(events: &[StoredEvent]) -> Vec<u64> {
    events.iter().map(|event| event.version).collect()
}

async fn what_is_appended_is_read_back_as_it_was(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    let wanted = append(id, Expected::None, 2);
    let appended = store.append(&acme, std::slice::from_ref(&wanted)).await.expect("nothing is in the way");
    let found = store.load(&acme, id, 0).await.unwrap();
    assert_eq!(found.len(), 2);
    for (version, (new, stored)) in (1..).zip(wanted.events.iter().zip(found)) {
        let StoredEvent { position, transaction_id, .. } = stored;
        let expected = StoredEvent {
            position,
            tenant: acme.clone(),
            aggregate_id: id,
            aggregate_type: "thing".into(),
            version,
            event_id: new.event_id,
            event_type: new.event_type.clone(),
            payload: new.payload.clone(),
            metadata: new.metadata.clone(),
            occurred_at: new.occurred_at,
            recorded_at: appended.recorded_at,
            transaction_id,
        };
        assert_eq!(stored, expected);
    }
}

async fn versions_count_from_one_and_positions_rise(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    let first = store.append(&acme, &[append(id, Expected::None, 3)]).await.unwrap();
    let second = store.append(&acme, &[append(id, Expected::Exactly(3), 2)]).await.unwrap();
    assert_eq!((first.aggregates[0].version, second.aggregates[0].version), (3, 5));
    let found = store.load(&acme, id, 0).await.unwrap();
    assert_eq!(versions(&found), [1, 2, 3, 4, 5]);
    assert!(found.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(found[0].position, first.aggregates[0].first_position);
    assert_eq!(found[4].position, second.aggregates[0].last_position);
    assert!(first.recorded_at <= second.recorded_at);
}

async fn an_append_of_several_aggregates_is_all_or_nothing(store: &impl EventStore, _: &impl EventLog) {
    let (acme, a, b) = (tenant("acme"), aggregate(), aggregate());
    store.append(&acme, &[append(b, Expected::None, 1)]).await.unwrap();

    let both = [append(a, Expected::None, 2), append(b, Expected::None, 2)];
    let refused = conflict(store.append(&acme, &both).await.unwrap_err());
    assert_eq!((refused.aggregate_id, refused.actual), (b, 1));
    assert_eq!(store.load(&acme, a, 0).await.unwrap(), []);

    let both = [append(a, Expected::None, 2), append(b, Expected::Exactly(1), 2)];
    let appended = store.append(&acme, &both).await.unwrap();
    let to: Vec<(AggregateId, u64)> =
        appended.aggregates.iter().map(|to| (to.aggregate_id, to.version)).collect();
    assert_eq!(to, [(a, 2), (b, 3)], "in the order of the call");
}

async fn a_conflict_says_what_happened_in_between(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    let other = append(id, Expected::None, 5);
    store.append(&acme, std::slice::from_ref(&other)).await.unwrap();

    let late = append(id, Expected::Exactly(2), 1);
    let refused = conflict(store.append(&acme, &[late]).await.unwrap_err());
    assert_eq!((refused.expected, refused.actual), (Expected::Exactly(2), 5));
    assert_eq!(ids(&refused.events), new_ids(&other.events[2..]));
    assert_eq!(refused.events, store.load(&acme, id, 2).await.unwrap());

    let ahead = append(id, Expected::Exactly(9), 1);
    let refused = conflict(store.append(&acme, &[ahead]).await.unwrap_err());
    assert_eq!((refused.actual, refused.events), (5, vec![]));
}

async fn a_conflict_carries_at_most_a_hundred_events(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    store.append(&acme, &[append(id, Expected::None, 250)]).await.unwrap();
    let refused = conflict(store.append(&acme, &[append(id, Expected::None, 1)]).await.unwrap_err());
    assert_eq!(refused.actual, 250);
    assert_eq!(versions(&refused.events), (1..=100).collect::<Vec<_>>());
}

async fn expected_versions_mean_what_they_say(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    for expected in [Expected::Exists, Expected::Exactly(1)] {
        let refused = conflict(store.append(&acme, &[append(id, expected, 1)]).await.unwrap_err());
        assert_eq!((refused.expected, refused.actual), (expected, 0));
    }
    store.append(&acme, &[append(id, Expected::Exactly(0), 1)]).await.expect("0 is before the first");
    store.append(&acme, &[append(id, Expected::Any, 1)]).await.expect("anything goes");
    store.append(&acme, &[append(id, Expected::Exists, 1)]).await.expect("it exists");
    store.append(&acme, &[append(id, Expected::Exactly(3), 1)]).await.expect("it is at 3");
    let refused = conflict(store.append(&acme, &[append(id, Expected::None, 1)]).await.unwrap_err());
    assert_eq!(refused.actual, 4);
}

async fn an_event_id_is_stored_once(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    let first = append(id, Expected::None, 2);
    store.append(&acme, std::slice::from_ref(&first)).await.unwrap();

    // The same again is a conflict that carries the very events: an importer sees that its work is done.
    let again = conflict(store.append(&acme, std::slice::from_ref(&first)).await.unwrap_err());
    assert_eq!(ids(&again.events), new_ids(&first.events));

    // Where no version stands in the way, the id does: in the same aggregate or another.
    for aggregate_id in [id, aggregate()] {
        let copy = Append {
            aggregate_id,
            expected: Expected::Any,
            events: vec![event(9), first.events[1].clone()],
            ..first.clone()
        };
        match store.append(&acme, &[copy]).await {
            Err(AppendError::Duplicate { event_id }) => assert_eq!(event_id, first.events[1].event_id),
            other => panic!("a duplicate is expected, not {other:?}"),
        }
        assert_eq!(store.load(&acme, id, 0).await.unwrap().len(), 2);
    }
}

async fn another_tenants_aggregate_answers_like_an_unknown_one(store: &impl EventStore, _: &impl EventLog) {
    let (acme, other, id) = (tenant("acme"), tenant("other"), aggregate());
    let theirs = append(id, Expected::None, 2);
    store.append(&acme, std::slice::from_ref(&theirs)).await.unwrap();

    assert_eq!(store.load(&other, id, 0).await.unwrap(), []);
    for expected in [Expected::Exists, Expected::Exactly(2)] {
        let refused = conflict(store.append(&other, &[append(id, expected, 1)]).await.unwrap_err());
        assert_eq!((refused.actual, refused.events), (0, vec![]), "as if it were unknown");
    }
    // It cannot be created either, and that is all that is told.
    for expected in [Expected::None, Expected::Any] {
        let refused = store.append(&other, &[append(id, expected, 1)]).await;
        assert!(matches!(refused, Err(AppendError::Taken)), "{refused:?}");
    }
    let stolen = Append { events: theirs.events.clone(), ..append(aggregate(), Expected::None, 1) };
    let refused = store.append(&other, &[stolen]).await;
    assert!(matches!(refused, Err(AppendError::Invalid(Invalid::Refused(_)))), "{refused:?}");
    assert_eq!(store.load(&acme, id, 0).await.unwrap().len(), 2);
}

async fn an_aggregate_keeps_its_type(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    store.append(&acme, &[append(id, Expected::None, 1)]).await.unwrap();
    let other = Append { aggregate_type: "other".into(), ..append(id, Expected::Exactly(1), 1) };
    let refused = store.append(&acme, &[other]).await;
    assert!(matches!(refused, Err(AppendError::OtherType(_))), "{refused:?}");
}

async fn an_append_that_makes_no_sense_is_refused(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    let (twice, late) = (event(1), event(i64::MAX));
    let nonsense: [(Vec<Append>, Invalid); 6] = [
        (vec![], Invalid::Nothing),
        (vec![append(id, Expected::None, 0)], Invalid::NoEvents(id)),
        (vec![append(id, Expected::None, 1), append(id, Expected::Any, 1)], Invalid::AggregateTwice(id)),
        (
            vec![Append { events: vec![twice.clone(), twice.clone()], ..append(id, Expected::None, 0) }],
            Invalid::EventTwice(twice.event_id),
        ),
        (vec![append(id, Expected::None, 1001)], Invalid::TooMany { events: 1001 }),
        (
            vec![Append { events: vec![late.clone()], ..append(id, Expected::None, 0) }],
            Invalid::OutOfTime { event_id: late.event_id, occurred_at: late.occurred_at },
        ),
    ];
    for (appends, reason) in nonsense {
        match store.append(&acme, &appends).await {
            Err(AppendError::Invalid(found)) => assert_eq!(found, reason),
            other => panic!("{reason:?} is expected, not {other:?}"),
        }
    }
    assert_eq!(store.load(&acme, id, 0).await.unwrap(), []);
}

async fn a_thousand_aggregates_fit_one_append(store: &impl EventStore, log: &impl EventLog) {
    let appends: Vec<Append> = (0..1000).map(|_| append(aggregate(), Expected::None, 1)).collect();
    let appended = store.append(&tenant("acme"), &appends).await.unwrap();
    assert!(
        appended
            .aggregates
            .iter()
            .map(|to| to.aggregate_id)
            .eq(appends.iter().map(|append| append.aggregate_id))
    );
    let stored = log.read_all(0, 1000).await.unwrap();
    assert!(
        ids(&stored).into_iter().eq(appends.iter().map(|append| append.events[0].event_id)),
        "in the order of the call"
    );
}

async fn history_is_read_in_slices(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    for round in 0..3 {
        store.append(&acme, &[append(id, Expected::Exactly(round * 700), 700)]).await.unwrap();
    }
    assert_eq!(versions(&store.load(&acme, id, 0).await.unwrap()), (1..=2100).collect::<Vec<_>>());
    assert_eq!(versions(&store.load(&acme, id, 2098).await.unwrap()), [2099, 2100]);
    assert_eq!(store.load(&acme, id, 2100).await.unwrap(), []);
    assert_eq!(store.load(&acme, aggregate(), 0).await.unwrap(), []);
}

async fn history_is_read_as_of_a_version_or_a_moment(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    // The second event's clock was ahead; what follows it happened after it all the same.
    let events = [10, 90, 30, 40].into_iter().map(event).collect();
    let first = store.append(&acme, &[Append { events, ..append(id, Expected::None, 0) }]).await.unwrap();
    let at = Timestamp::from_micros;
    let until = async |until| versions(&store.load_until(&acme, id, 0, until).await.unwrap());

    assert_eq!(until(Until::Version(2)).await, [1, 2]);
    assert_eq!(until(Until::Version(0)).await, [] as [u64; 0]);
    assert_eq!(until(Until::Occurred(at(9))).await, [] as [u64; 0]);
    assert_eq!(until(Until::Occurred(at(29))).await, [1]);
    assert_eq!(until(Until::Occurred(at(30))).await, [1, 2, 3]);
    assert_eq!(until(Until::Occurred(at(i64::MAX))).await, [1, 2, 3, 4]);
    assert_eq!(until(Until::Now).await, [1, 2, 3, 4]);

    assert_eq!(until(Until::Recorded(at(first.recorded_at.micros() - 1))).await, [] as [u64; 0]);
    assert_eq!(until(Until::Recorded(first.recorded_at)).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn what_was_known_by_a_moment_has_no_hole_when_the_clock_was_put_back_in_memory() {
    static LATER: AtomicI64 = AtomicI64::new(30);
    let clock = || Timestamp::from_micros(LATER.fetch_sub(10, Ordering::Relaxed));
    let (store, id) = (InMemoryEventStore::new(clock), aggregate());
    for version in 0..3 {
        store.append(&tenant("acme"), &[append(id, Expected::Exactly(version), 1)]).await.unwrap();
    }
    a_clock_that_was_put_back(&store, id).await;
}

#[tokio::test]
async fn what_was_known_by_a_moment_has_no_hole_when_the_clock_was_put_back_in_postgres() {
    let (events, id) = (Events::new().await, aggregate());
    let (store, mut owner) = (events.store().await, events.connect("owner").await);
    store.append(&tenant("acme"), &[append(id, Expected::None, 3)]).await.unwrap();
    for statement in [
        "set millrace.tenant = 'acme'",
        "alter table event_store disable trigger event_store_is_immutable",
        "update event_store set recorded_at = to_timestamp(0) + (4 - version) * interval '10 microseconds'",
    ] {
        owner.execute(statement).await.unwrap();
    }
    a_clock_that_was_put_back(&store, id).await;
}

/// Versions 1, 2, 3 were recorded at 30, 20, 10: what the third builds on was known when it was.
async fn a_clock_that_was_put_back(store: &impl EventStore, id: AggregateId) {
    for (micros, known) in [(9, 0), (10, 3), (20, 3), (30, 3)] {
        let until = Until::Recorded(Timestamp::from_micros(micros));
        let found = store.load_until(&tenant("acme"), id, 0, until).await.unwrap();
        assert_eq!(versions(&found), (1..=known).collect::<Vec<_>>(), "by {micros}");
    }
}

async fn the_log_is_read_in_pages_over_all_tenants(store: &impl EventStore, log: &impl EventLog) {
    assert_eq!((log.settled_position().await.unwrap(), log.read_all(0, 10).await.unwrap()), (0, vec![]));
    for name in ["acme", "other"] {
        store.append(&tenant(name), &[append(aggregate(), Expected::None, 3)]).await.unwrap();
    }
    let first = log.read_all(0, 4).await.unwrap();
    let second = log.read_all(first[3].position, 4).await.unwrap();
    assert_eq!((first.len(), second.len()), (4, 2));
    assert_eq!((first[0].tenant.as_str(), second[1].tenant.as_str()), ("acme", "other"));
    assert_eq!(log.settled_position().await.unwrap(), second[1].position);
}

async fn sixteen_appenders_of_one_aggregate_leave_no_gap(store: &impl EventStore, _: &impl EventLog) {
    let (acme, id) = (tenant("acme"), aggregate());
    let appender = async || {
        let (mut version, mut lost) = (0, 0);
        for _ in 0..5 {
            loop {
                match store.append(&acme, &[append(id, Expected::Exactly(version), 2)]).await {
                    Ok(appended) => {
                        version = appended.aggregates[0].version;
                        break;
                    }
                    Err(error) => {
                        let conflict = conflict(error);
                        let known = version + 100; // a conflict carries no more
                        let between: Vec<_> = (version + 1..=conflict.actual.min(known)).collect();
                        assert_eq!(versions(&conflict.events), between);
                        version = conflict.actual;
                        lost += 1;
                    }
                }
            }
        }
        lost
    };
    let appenders: Vec<_> = (0..16).map(|_| appender()).collect();
    let lost_races: u32 = join(appenders).await.into_iter().sum();
    assert!(lost_races >= 15, "of those who all begin at the same version one wins: {lost_races}");
    assert_eq!(versions(&store.load(&acme, id, 0).await.unwrap()), (1..=160).collect::<Vec<_>>());
}

async fn crossing_batches_never_deadlock(store: &impl EventStore, _: &impl EventLog) {
    let (acme, ids) = (tenant("acme"), [aggregate(), aggregate(), aggregate()]);
    let appender = async |shift: usize| {
        for _ in 0..10 {
            let appends: Vec<_> = (0..3).map(|n| append(ids[(n + shift) % 3], Expected::Any, 1)).collect();
            store.append(&acme, &appends).await.expect("any version will do");
        }
    };
    join((0..6).map(appender).collect()).await;
    for id in ids {
        assert_eq!(versions(&store.load(&acme, id, 0).await.unwrap()), (1..=60).collect::<Vec<_>>());
    }
}

async fn ten_and_sixty_four_threads_leave_no_gap(store: &impl EventStore, log: &impl EventLog) {
    let (acme, runtime, mut all) = (tenant("acme"), tokio::runtime::Handle::current(), 0);
    for threads in [10, 64] {
        let id = aggregate();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..3 {
                        runtime.block_on(store.append(&acme, &[append(id, Expected::Any, 2)])).unwrap();
                    }
                });
            }
        });
        all += threads as usize * 6;
        let found = versions(&store.load(&acme, id, 0).await.unwrap());
        assert_eq!(found, (1..=threads * 6).collect::<Vec<_>>());
    }
    let seen = log.read_all(0, 1000).await.unwrap();
    assert!(seen.windows(2).all(|pair| pair[0].position < pair[1].position));
    assert_eq!(seen.len(), all);
}
