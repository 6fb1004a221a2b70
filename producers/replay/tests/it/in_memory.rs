//! What takes effect, in which order, and what is said of the rest.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use event_store::{
    Append, EventStore, Expected, Filter, InMemoryEventStore, NewEvent, StoreError, StoredEvent,
};
use events::{AggregateId, EventId, Metadata, Timestamp};
use replay::{Batch, Config, Effect, Error, Failure, LANES, Progress, Stopped, lane, replay};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) fn append(aggregate_id: AggregateId, known: u64, count: usize) -> Append {
    let event = || NewEvent {
        event_id: EventId(Uuid::now_v7()),
        event_type: "ThingHappened".into(),
        payload: vec![0, 0, 0, 0, 1, 42],
        data: serde_json::json!({}),
        metadata: Metadata::default(),
        occurred_at: Timestamp::from_micros(1),
    };
    let events = std::iter::repeat_with(event).take(count).collect();
    Append { aggregate_id, aggregate_type: "thing".into(), expected: Expected::Exactly(known), events }
}

/// Forty aggregates with five events each, mixed.
pub(crate) async fn fill(store: &impl EventStore) {
    let ids: Vec<_> = (0..40).map(|_| AggregateId(Uuid::now_v7())).collect();
    for known in 0..5 {
        for id in &ids {
            store.append(&"acme".parse().unwrap(), &[append(*id, known, 1)]).await.unwrap();
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Trouble(&'static str);

/// Remembers in memory what took effect, and has trouble when told to.
#[derive(Default)]
struct Seen {
    events: Mutex<Vec<StoredEvent>>,
    checkpoints: Mutex<HashMap<u16, u64>>,
    /// Batches that fail before one succeeds; the trouble passes.
    trouble: AtomicU32,
    /// Events of this version cannot be applied.
    bad_version: Option<u64>,
    /// Batches until trouble that does not pass.
    dies_after: Option<AtomicU32>,
}

impl Effect for Seen {
    type Error = Trouble;

    async fn checkpoints(&self) -> Result<HashMap<u16, u64>, Trouble> {
        Ok(self.checkpoints.lock().unwrap().clone())
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Failure>, Trouble> {
        let taken =
            |left: &AtomicU32| left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        if taken(&self.trouble).is_ok() {
            return Err(Trouble("passes"));
        }
        if self.dies_after.as_ref().is_some_and(|left| taken(left).is_err()) {
            return Err(Trouble("stays"));
        }
        assert!(batch.events.iter().all(|event| lane(event.aggregate_id) == batch.lane));
        let known = self.checkpoints.lock().unwrap().insert(batch.lane, batch.through).unwrap_or(0);
        assert_eq!(known, batch.after, "a batch begins where the lane's last one ended");
        let (bad, good): (Vec<_>, Vec<_>) =
            batch.events.iter().cloned().partition(|event| Some(event.version) == self.bad_version);
        self.events.lock().unwrap().extend(good);
        Ok(bad.iter().map(|event| Failure::of(event, "too bad")).collect())
    }

    fn is_transient(error: &Trouble) -> bool {
        error.0 == "passes"
    }
}

impl Seen {
    /// Everything took effect once, and each aggregate's events in order.
    fn assert_whole(&self, count: usize) {
        let events = self.events.lock().unwrap();
        assert_eq!(events.len(), count);
        let mut versions: HashMap<AggregateId, u64> = HashMap::new();
        for event in events.iter() {
            let last = versions.entry(event.aggregate_id).or_default();
            assert_eq!(event.version, *last + 1, "in order, once");
            *last = event.version;
        }
    }
}

fn slices_of(slice_events_max: u32) -> Config {
    Config { slice_events_max, workers: 3, ..Config::default() }
}

async fn run(
    store: &Arc<InMemoryEventStore>,
    effect: &Arc<Seen>,
    config: Config,
) -> Result<replay::Report, Stopped<Trouble>> {
    replay(store.clone(), Filter::all(), effect.clone(), config, |_| {}, &CancellationToken::new()).await
}

async fn filled() -> Arc<InMemoryEventStore> {
    let store = Arc::new(InMemoryEventStore::new(|| Timestamp::from_micros(1)));
    fill(&store).await;
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_aggregates_events_take_effect_in_order_whoever_works_on_them() {
    let store = filled().await;
    for workers in [1, 2, 5, LANES, 99] {
        let effect = Arc::new(Seen::default());
        let report = run(&store, &effect, Config { workers, ..slices_of(17) }).await.unwrap();
        effect.assert_whole(200);
        assert!(report.finished && report.failures.is_empty(), "{report:?}");
        let lanes: BTreeSet<_> = effect.checkpoints.lock().unwrap().values().copied().collect();
        assert_eq!(lanes, BTreeSet::from([200]), "every lane is remembered at the end");
    }
}

#[tokio::test]
async fn a_replay_goes_on_from_its_checkpoints_with_another_number_of_workers() {
    let store = filled().await;
    let effect = Arc::new(Seen { dies_after: Some(AtomicU32::new(20)), ..Seen::default() });
    let died = run(&store, &effect, slices_of(17)).await.unwrap_err();
    assert!(matches!(died.source, Error::Effect { .. }), "{died:?}");
    let (events, checkpoints) =
        (effect.events.lock().unwrap().clone(), effect.checkpoints.lock().unwrap().clone());
    assert!(!events.is_empty() && events.len() < 200, "{} took effect before", events.len());

    let again = Arc::new(Seen { events: events.into(), checkpoints: checkpoints.into(), ..Seen::default() });
    run(&store, &again, Config { workers: 5, ..slices_of(23) }).await.unwrap();
    again.assert_whole(200);
    store.append(&"acme".parse().unwrap(), &[append(AggregateId(Uuid::now_v7()), 0, 3)]).await.unwrap();
    let report = run(&store, &again, slices_of(17)).await.unwrap();
    assert_eq!(report.progress.events, 3, "what is new, and nothing else");
    again.assert_whole(203);
}

#[tokio::test]
async fn trouble_that_passes_is_waited_out_and_other_trouble_names_the_batch() {
    let store = filled().await;
    let effect = Arc::new(Seen { trouble: AtomicU32::new(3), ..Seen::default() });
    run(&store, &effect, slices_of(50)).await.unwrap();
    effect.assert_whole(200);

    let effect = Arc::new(Seen { trouble: AtomicU32::new(u32::MAX), ..Seen::default() });
    let gave_up = run(&store, &effect, Config { attempts_max: 2, ..slices_of(50) }).await.unwrap_err();
    let why = gave_up.source.to_string();
    assert!(why.contains("after position 0, up to 50, had no effect"), "{why}");
}

#[tokio::test]
async fn events_that_cannot_be_applied_are_named_and_others_go_on() {
    let store = filled().await;
    let bad = |failures_max| {
        let effect = Arc::new(Seen { bad_version: Some(5), ..Seen::default() });
        let config = Config { failures_max, ..slices_of(17) };
        let store = store.clone();
        async move { (run(&store, &effect, config).await, effect) }
    };
    let (report, effect) = bad(40).await;
    effect.assert_whole(160);
    let failures = report.unwrap().failures;
    assert_eq!(failures.len(), 40);
    assert!(
        failures.iter().all(|failure| failure.reason == "too bad" && failure.position > 160),
        "{failures:?}"
    );
    let ids: BTreeSet<_> = failures.iter().map(|failure| failure.event_id).collect();
    assert_eq!(ids.len(), 40);

    let refused = bad(10).await.0.unwrap_err();
    assert!(matches!(refused.source, Error::TooManyFailures { max: 10 }), "{refused:?}");
    assert!(refused.failed > 10 && refused.failures.len() == 10, "{refused:?}");
}

#[tokio::test]
async fn a_replay_that_stops_says_what_could_not_be_applied_until_then() {
    let store = filled().await;
    // The first slice has the first events of all, which is at most a batch for each of 16 lanes; trouble comes later.
    let effect =
        Arc::new(Seen { bad_version: Some(1), dies_after: Some(AtomicU32::new(30)), ..Seen::default() });
    let stopped = run(&store, &effect, Config { workers: 1, ..slices_of(40) }).await.unwrap_err();
    assert!(matches!(stopped.source, Error::Effect { .. }), "{stopped:?}");
    assert_eq!((stopped.failed, stopped.failures.len()), (40, 40));
    assert!(stopped.failures.iter().all(|failure| failure.position <= 40), "{stopped:?}");
}

#[tokio::test]
async fn checkpoints_beyond_the_log_are_those_of_another() {
    let store = filled().await;
    let effect = Arc::new(Seen { checkpoints: Mutex::new(HashMap::from([(3, 201)])), ..Seen::default() });
    let stopped = run(&store, &effect, slices_of(50)).await.unwrap_err();
    let ahead = StoreError::AheadOfLog { position: 201, settled: 200 }.to_string();
    assert!(
        matches!(&stopped.source, Error::Log { after: 201, source } if source.to_string() == ahead),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn only_wanted_events_are_replayed_and_progress_is_told() {
    let store = filled().await;
    store.append(&"other".parse().unwrap(), &[append(AggregateId(Uuid::now_v7()), 0, 7)]).await.unwrap();
    let (effect, mut told) = (Arc::new(Seen::default()), Vec::<Progress>::new());
    let filter = Filter { tenant: Some("other".parse().unwrap()), ..Filter::all() };
    let stop = CancellationToken::new();
    let report =
        replay(store.clone(), filter, effect.clone(), slices_of(5), |progress| told.push(progress), &stop)
            .await;
    effect.assert_whole(7);
    assert_eq!(report.unwrap().progress.events, 7);
    let last = told.last().unwrap();
    assert_eq!((last.position, last.target, last.events), (207, 207, 7));
    assert!(told.windows(2).all(|pair| pair[0].position < pair[1].position), "{told:?}");
}

#[tokio::test]
async fn told_to_stop_it_stops_between_two_slices_and_says_that_it_did_not_finish() {
    let store = filled().await;
    let (effect, stop) = (Arc::new(Seen::default()), CancellationToken::new());
    let told = stop.clone();
    let on_progress = move |progress: Progress| {
        if progress.position >= 30 {
            told.cancel();
        }
    };
    let report = replay(store.clone(), Filter::all(), effect.clone(), slices_of(10), on_progress, &stop)
        .await
        .unwrap();
    assert_eq!((report.finished, report.progress.events), (false, 30));
    assert_eq!(effect.events.lock().unwrap().len(), 30, "what was under way took effect");
}
