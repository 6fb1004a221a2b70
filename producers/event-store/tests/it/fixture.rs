//! A fresh database per test, and events that need no domain.

use event_store::{
    Append, Connections, Expected, InMemoryEventStore, NewEvent, PgEventLog, PgEventStore, migrate,
};
use events::{AggregateId, EventId, Metadata, TenantId, Timestamp};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use testkit::{Database, PostgresProxy};
use uuid::Uuid;

/// A migrated events' database.
pub(crate) struct Events {
    pub(crate) database: Database,
    pub(crate) owner: PgPool,
}

impl Events {
    pub(crate) async fn new() -> Self {
        let database = testkit::events_database().await;
        let owner = pool(&database.url("owner"), 2).await;
        migrate(&owner).await.expect("a fresh database takes the migrations");
        Self { database, owner }
    }

    pub(crate) async fn store(&self) -> PgEventStore {
        PgEventStore::new(connections(&self.database.url("app"), 16))
    }

    /// A store whose connections, so many at most, lead through a proxy.
    pub(crate) fn proxied(&self, most: u32) -> (PostgresProxy, PgEventStore) {
        let proxy = PostgresProxy::before(&self.database.url("app"));
        let store = PgEventStore::new(connections(proxy.url(), most));
        (proxy, store)
    }

    pub(crate) async fn log(&self) -> PgEventLog {
        PgEventLog::new(pool(&self.database.url("auditor"), 2).await)
    }

    pub(crate) async fn connect(&self, role: &str) -> PgConnection {
        let options: PgConnectOptions = self.database.url(role).parse().expect("testkit's URLs are valid");
        PgConnection::connect_with(&options).await.expect("the role may connect")
    }
}

pub(crate) fn connections(url: &str, most: u32) -> Connections {
    let options: PgConnectOptions = url.parse().expect("testkit's URLs are valid");
    Connections::new(options, most, std::time::Duration::from_secs(10))
}

pub(crate) async fn pool(url: &str, connections: u32) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("testkit's URLs are valid");
    PgPoolOptions::new()
        .max_connections(connections)
        .connect_with(options)
        .await
        .expect("the role may connect")
}

/// A clock for the in-memory store: every look is a microsecond later.
pub(crate) fn in_memory() -> InMemoryEventStore {
    use std::sync::atomic::{AtomicI64, Ordering};
    static MICROS: AtomicI64 = AtomicI64::new(1_000_000);
    InMemoryEventStore::new(|| Timestamp::from_micros(MICROS.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().expect("a tenant's name")
}

pub(crate) fn aggregate() -> AggregateId {
    AggregateId(Uuid::now_v7())
}

pub(crate) fn event(occurred_at: i64) -> NewEvent {
    NewEvent {
        event_id: EventId(Uuid::now_v7()),
        event_type: "ThingHappened".into(),
        payload: vec![0, 0, 0, 0, 1, 42],
        data: serde_json::json!({ "answer": 42 }),
        metadata: Metadata { correlation_id: Some("because".into()), ..Metadata::default() },
        occurred_at: Timestamp::from_micros(occurred_at),
    }
}

/// `count` events that occurred at 1, 2, 3 … microseconds.
pub(crate) fn append(aggregate_id: AggregateId, expected: Expected, count: i64) -> Append {
    Append {
        aggregate_id,
        aggregate_type: "thing".into(),
        expected,
        events: (1..=count).map(event).collect(),
    }
}

/// Runs each promise on a store of its own.
macro_rules! promises {
    ($($promise:ident)+) => {
        mod in_memory_store {
            $(#[tokio::test]
            async fn $promise() {
                let store = super::in_memory();
                super::$promise(&store, &store).await;
            })+
        }

        mod postgres_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let events = super::Events::new().await;
                super::$promise(&events.store().await, &events.log().await).await;
            })+
        }
    };
}

pub(crate) use promises;

/// Runs futures side by side on this task until all are done.
pub(crate) async fn join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut running {
            if let Some(pending) = future
                && let std::task::Poll::Ready(done) = pending.as_mut().poll(context)
            {
                (*future, *output) = (None, Some(done));
            }
        }
        if running.iter().all(|(future, _)| future.is_none()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().map(|(_, output)| output.expect("all are done")).collect()
}
