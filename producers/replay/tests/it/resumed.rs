//! A replay into the events' database that is dropped in the middle of its work, again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use event_store::{Checkpoint, Connections, Filter, PgEventLog, PgEventStore, migrate};
use replay::{Batch, Config, Effect, Error, Failure, replay};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use tokio_util::sync::CancellationToken;

use crate::in_memory::fill;

/// Writes down each event, beside its lane's checkpoint.
struct WriteDown {
    app: PgPool,
    checkpoint: Checkpoint,
    /// Batches that were committed in this life.
    committed: AtomicUsize,
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] event_store::StoreError),
    #[error(transparent)]
    Moved(#[from] event_store::CheckpointMoved),
}

impl Effect for WriteDown {
    type Error = WriteError;

    async fn checkpoints(&self) -> Result<HashMap<u16, u64>, WriteError> {
        Ok(self.checkpoint.positions(&mut *self.app.acquire().await?).await?)
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Failure>, WriteError> {
        let mut transaction = self.app.begin().await?;
        for event in &batch.events {
            sqlx::query("insert into written (event_id) values ($1)")
                .bind(event.event_id.0)
                .execute(&mut *transaction)
                .await?;
        }
        let moved =
            self.checkpoint.move_within(&mut transaction, batch.lane, batch.after, batch.through).await?;
        moved?;
        transaction.commit().await?;
        self.committed.fetch_add(1, Ordering::AcqRel);
        Ok(vec![])
    }

    fn is_transient(_: &WriteError) -> bool {
        false
    }
}

async fn pool(url: &str) -> PgPool {
    let options: PgConnectOptions = url.parse().unwrap();
    PgPoolOptions::new().max_connections(3).connect_with(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_is_cut_short_again_and_again_takes_each_effect_once() {
    let database = testkit::events_database().await;
    let owner = pool(&database.url("owner")).await;
    migrate(&owner).await.unwrap();
    owner.execute("create table written (event_id uuid)").await.unwrap();
    owner.execute("grant insert, select on written to app").await.unwrap();
    let connections =
        Connections::new(database.url("app").parse().unwrap(), 2, std::time::Duration::from_secs(10));
    fill(&PgEventStore::new(connections)).await;
    let (app, log) =
        (pool(&database.url("app")).await, PgEventLog::new(pool(&database.url("auditor")).await));

    let (mut lives, stop) = (0, CancellationToken::new());
    loop {
        lives += 1;
        assert!(lives < 100, "it gets further in each life");
        let checkpoint = Checkpoint::of("written");
        let effect = Arc::new(WriteDown { app: app.clone(), checkpoint, committed: AtomicUsize::new(0) });
        let config = Config { slice_events_max: 25, ..Config::default() };
        let running = replay(log.clone(), Filter::all(), effect.clone(), config, |_| {}, &stop);
        let killed = async {
            // In the middle of whatever it does after some commits; dropped, its connections break off.
            while effect.committed.load(Ordering::Acquire) < 12 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            report = running => match report {
                Ok(report) => {
                    assert!(report.finished);
                    break;
                }
                // A commit of the last life was under way, and came after this one asked where it is.
                Err(Error::Effect { source: WriteError::Moved(_), .. }) => {}
                Err(error) => panic!("{error}"),
            },
            () = killed => {}
        }
    }
    assert!(lives > 2, "it was cut short {} times", lives - 1);
    let written: (i64, i64) = sqlx::query_as("select count(*), count(distinct event_id) from written")
        .fetch_one(&app)
        .await
        .unwrap();
    assert_eq!(written, (200, 200));
}
