//! The oracles of the suite, each with a sink that it has to find out.

use std::sync::Arc;

use kafka::conformance::{History, Rig, Sink, Tally, TallyView, Topic};
use kafka::{Changes, Claim, Committed, Loaded, ParkKey, ParkedRecord, Request, RowKey, Tenure, ViewStore};
use projection_postgres::{Error, PostgresViews};

use crate::sink::PostgresSink;

/// A sink that does one thing wrong.
struct Mutant {
    sink: PostgresViews<Tally>,
    wrong: fn(&mut Changes<TallyView>),
}

impl ViewStore<Tally> for Mutant {
    type Error = Error;

    async fn claim(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Claim>, Error> {
        self.sink.claim(topic, partitions).await
    }

    async fn renew(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<Claim>, Error> {
        self.sink.renew(topic, held).await
    }

    async fn load(&mut self, keys: &[(i32, RowKey)]) -> Result<Vec<Loaded<TallyView>>, Error> {
        self.sink.load(keys).await
    }

    async fn commit(&mut self, changes: &Changes<TallyView>) -> Result<Committed, Error> {
        let mut changes = changes.clone();
        (self.wrong)(&mut changes);
        self.sink.commit(&changes).await
    }

    async fn inspect(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<i32>, Error> {
        self.sink.inspect(topic, held).await
    }

    async fn requests(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Request>, Error> {
        self.sink.requests(topic, partitions).await
    }

    async fn parked(
        &mut self,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        limit: usize,
    ) -> Result<Vec<ParkedRecord>, Error> {
        self.sink.parked(topic, partition, key, limit).await
    }
}

/// Whether rows, totals and parked keys are what they have to be, after a short history with one bad record.
async fn found(wrong: fn(&mut Changes<TallyView>)) -> [bool; 3] {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..6).map(|n| history.started(n, "r")).collect::<Vec<_>>());
    let rig = Rig::start(Mutant { sink: sink.open().await, wrong }, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    topic.append(0, [History::garbage("nobody's")]);
    topic.append(0, (0..6).map(|n| history.called(n, 3)).collect::<Vec<_>>());
    rig.caught_up(&sink, &[0]).await;
    let expected = history.rows();
    [
        sink.rows().await == expected,
        sink.totals().await.unwrap() == History::totals(&expected),
        sink.parked().await.len() == 1,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracles_find_nothing_wrong_with_a_right_sink() {
    assert_eq!(found(|_| ()).await, [true, true, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_skips_a_row_is_found_out() {
    let rows = found(|changes| changes.rows.retain(|row| row.key != History::row(3))).await;
    assert_eq!(rows, [false, false, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_adds_to_totals_without_taking_away_is_found_out() {
    let totals = found(|changes| changes.rows.iter_mut().for_each(|row| row.old = Arc::default())).await;
    assert_eq!(totals, [true, false, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_drops_what_it_should_park_is_found_out() {
    assert_eq!(found(|changes| changes.parks.clear()).await, [true, true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_applies_an_event_twice_is_found_out() {
    let twice = found(|changes| {
        for view in changes.rows.iter_mut().filter_map(|row| Arc::make_mut(&mut row.new).view.as_mut()) {
            view.tokens *= 2;
        }
    })
    .await;
    assert_eq!(twice[..2], [false, false]);
}
