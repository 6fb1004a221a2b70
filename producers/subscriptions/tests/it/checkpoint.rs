//! An effect in the events' database and its checkpoint, in one transaction.

use event_store::{Checkpoint, CheckpointMoved, EventStore, Filter, Slice};
use sqlx::{Connection, Executor, PgConnection};
use subscriptions::{Config, Error, Metrics, Signal, Subscriber, run};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Events, acme, append};

/// Counts each event, in a table of its own; dies in the middle of its n-th slice.
struct Counter {
    app: PgConnection,
    checkpoint: Checkpoint,
    position: u64,
    slices_left: u32,
    live: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
enum CounterError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] event_store::StoreError),
    #[error(transparent)]
    Moved(#[from] CheckpointMoved),
    #[error("killed")]
    Killed,
}

impl Counter {
    async fn new(events: &Events, slices_left: u32) -> Self {
        let (app, live) = (events.connect("app").await, CancellationToken::new());
        Self { app, checkpoint: Checkpoint::of("counter"), position: 0, slices_left, live }
    }
}

impl Subscriber for Counter {
    type Error = CounterError;

    async fn position(&mut self) -> Result<u64, CounterError> {
        let positions = self.checkpoint.positions(&mut self.app).await?;
        self.position = positions.get(&0).copied().unwrap_or(0);
        Ok(self.position)
    }

    async fn handle(&mut self, slice: Slice) -> Result<(), CounterError> {
        let mut transaction = self.app.begin().await?;
        for event in &slice.events {
            sqlx::query("insert into counted (event_id) values ($1)")
                .bind(event.event_id.0)
                .execute(&mut *transaction)
                .await?;
        }
        if self.slices_left == 0 {
            return Err(CounterError::Killed); // the effect is there, the commit is not
        }
        self.slices_left -= 1;
        self.checkpoint.move_within(&mut transaction, 0, self.position, slice.through).await??;
        transaction.commit().await?;
        self.position = slice.through;
        Ok(())
    }

    fn signal(&mut self, signal: Signal) {
        if signal == Signal::CaughtUp {
            self.live.cancel();
        }
    }
}

async fn counted(events: &Events) -> (i64, i64) {
    sqlx::query_as("select count(*), count(distinct event_id) from counted")
        .fetch_one(&mut events.connect("app").await)
        .await
        .unwrap()
}

async fn with_forty_events() -> Events {
    let events = Events::new().await;
    let mut owner = events.connect("owner").await;
    owner.execute("create table counted (event_id uuid)").await.unwrap();
    owner.execute("grant insert, select on counted to app").await.unwrap();
    for _ in 0..4 {
        events.store().append(&acme(), &[append(10)]).await.unwrap();
    }
    events
}

async fn follow(events: &Events, counter: &mut Counter) -> Result<(), Error<CounterError>> {
    let config = Config { slice_events_max: 7, ..Config::default() };
    let (log, live) = (events.log().await, counter.live.clone());
    run(log, Filter::all(), config, Metrics::new("counter"), counter, live).await
}

#[tokio::test]
async fn an_effect_that_is_stored_with_its_checkpoint_is_taken_once_whenever_the_subscriber_dies() {
    let events = with_forty_events().await;
    for lives in [0, 2, 1] {
        let died = follow(&events, &mut Counter::new(&events, lives).await).await;
        assert!(matches!(died, Err(Error::Subscriber(CounterError::Killed))), "{died:?}");
    }
    assert_eq!(counted(&events).await, (21, 21));
    follow(&events, &mut Counter::new(&events, u32::MAX).await).await.unwrap();
    assert_eq!(counted(&events).await, (40, 40));
}

#[tokio::test]
async fn two_subscribers_of_one_name_never_both_take_an_effect() {
    let events = with_forty_events().await;
    let (mut one, mut other) = (Counter::new(&events, u32::MAX).await, Counter::new(&events, 2).await);
    assert_eq!(other.position().await.unwrap(), 0);
    follow(&events, &mut one).await.unwrap();
    let log = events.log().await;
    let slice = event_store::EventLog::read(&log, &Filter::all(), 0, 7).await.unwrap();
    let refused = other.handle(slice).await.unwrap_err();
    assert!(refused.to_string().contains("\"counter\", lane 0, is no longer at 0"), "{refused}");
    assert_eq!(counted(&events).await, (40, 40));
}

#[tokio::test]
async fn a_checkpoint_that_is_dropped_begins_anew() {
    let events = with_forty_events().await;
    follow(&events, &mut Counter::new(&events, u32::MAX).await).await.unwrap();
    let mut app = events.connect("app").await;
    assert_eq!(Checkpoint::of("counter").drop(&mut app).await.unwrap(), 1);
    follow(&events, &mut Counter::new(&events, u32::MAX).await).await.unwrap();
    assert_eq!(counted(&events).await, (80, 40), "every effect once more");
}
