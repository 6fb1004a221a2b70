//! A replay into the events' database that is dropped in the middle of its work, again and again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use event_store::{Checkpoint, Connections, EventStore, Filter, PgEventLog, PgEventStore, migrate};
use events::{AggregateId, TenantId};
use replay::{Batch, Config, Effect, Error, Failure, Stopped, replay};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::in_memory::{append, fill};

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
                Err(Stopped { source: Error::Effect { source: WriteError::Moved(_), .. }, .. }) => {}
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

#[tokio::test]
async fn what_is_in_archives_is_named_and_what_was_withdrawn_is_not() {
    let database = testkit::events_database().await;
    let owner = pool(&database.url("owner")).await;
    migrate(&owner).await.unwrap();
    owner
        .execute("create table written (event_id uuid); grant insert, select on written to app")
        .await
        .unwrap();
    let connections =
        Connections::new(database.url("app").parse().unwrap(), 2, std::time::Duration::from_secs(10));
    let store = PgEventStore::new(connections);
    let (acme, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "other".parse().unwrap());
    let [archived, withdrawn, restarted, theirs] = [(); 4].map(|()| AggregateId(Uuid::now_v7()));
    for (tenant, id) in [(&acme, archived), (&acme, withdrawn), (&acme, restarted), (&other, theirs)] {
        store.append(tenant, &[append(id, 0, 5)]).await.unwrap();
    }
    let prune = async |tenant: &TenantId, reason: &str, id: AggregateId, through: i64| {
        sqlx::query("select prune_events($1, $2, 'me', 'why', array[$3], array[$4::bigint], null, 'a file')")
            .bind(tenant.as_str())
            .bind(reason)
            .bind(id.0)
            .bind(through)
            .execute(&owner)
            .await
            .unwrap();
    };
    prune(&acme, "archived", archived, 3).await;
    prune(&acme, "archived", withdrawn, 2).await;
    prune(&acme, "withdrawn", withdrawn, 4).await;
    prune(&acme, "withdrawn", restarted, 2).await;
    prune(&acme, "archived", restarted, 4).await;
    prune(&other, "archived", theirs, 1).await;

    let (app, log) =
        (pool(&database.url("app")).await, PgEventLog::new(pool(&database.url("auditor")).await));
    let run = async || {
        let checkpoint = Checkpoint::of("written");
        let effect = WriteDown { app: app.clone(), checkpoint, committed: AtomicUsize::new(0) };
        let filter = Filter { tenant: Some(acme.clone()), ..Filter::all() };
        let stop = CancellationToken::new();
        replay(log.clone(), filter, Arc::new(effect), Config::default(), |_| {}, &stop).await.unwrap()
    };
    let report = run().await;
    let missing: Vec<_> = report
        .missing
        .iter()
        .map(|range| (range.aggregate_id, range.from_version, range.to_version))
        .collect();
    assert_eq!((report.progress.events, missing), (4, vec![(archived, 1, 3), (restarted, 3, 4)]));
    assert_eq!(run().await.missing, [], "they were named when they were passed");
}
