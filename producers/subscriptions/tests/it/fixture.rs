//! A fresh database per test, and events that need no domain.

use std::time::Duration;

use event_store::{
    Append, Connections, Expected, InMemoryEventStore, NewEvent, PgEventLog, PgEventStore, Slice, migrate,
};
use events::{AggregateId, EventId, Metadata, TenantId, Timestamp};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};
use testkit::Database;
use uuid::Uuid;

/// A wait that no passing test sees the end of.
pub(crate) const LONG: Duration = Duration::from_secs(60);

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

    pub(crate) fn app(&self, most: u32) -> Connections {
        let options: PgConnectOptions = self.database.url("app").parse().expect("testkit's URLs are valid");
        Connections::new(options, most, Duration::from_secs(30))
    }

    pub(crate) fn store(&self) -> PgEventStore {
        PgEventStore::new(self.app(4))
    }

    pub(crate) async fn log(&self) -> PgEventLog {
        PgEventLog::new(pool(&self.database.url("auditor"), 3).await)
    }

    pub(crate) async fn connect(&self, role: &str) -> PgConnection {
        connect(&self.database.url(role)).await
    }
}

pub(crate) async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("testkit's URLs are valid");
    PgConnection::connect_with(&options).await.expect("the role may connect")
}

pub(crate) async fn pool(url: &str, connections: u32) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("testkit's URLs are valid");
    PgPoolOptions::new()
        .max_connections(connections)
        .connect_with(options)
        .await
        .expect("the role may connect")
}

pub(crate) fn in_memory() -> InMemoryEventStore {
    InMemoryEventStore::new(|| Timestamp::from_micros(1))
}

pub(crate) fn acme() -> TenantId {
    "acme".parse().expect("a tenant's name")
}

/// `count` events of a fresh aggregate.
pub(crate) fn append(count: usize) -> Append {
    append_to(AggregateId(Uuid::now_v7()), Expected::None, count)
}

pub(crate) fn append_to(aggregate_id: AggregateId, expected: Expected, count: usize) -> Append {
    let event = || NewEvent {
        event_id: EventId(Uuid::now_v7()),
        event_type: "ThingHappened".into(),
        payload: vec![0, 0, 0, 0, 1, 42],
        data: serde_json::json!({}),
        metadata: Metadata::default(),
        occurred_at: Timestamp::from_micros(1),
    };
    let events = std::iter::repeat_with(event).take(count).collect();
    Append { aggregate_id, aggregate_type: "thing".into(), expected, events }
}

pub(crate) fn ids(slice: &Slice) -> Vec<EventId> {
    slice.events.iter().map(|event| event.event_id).collect()
}
