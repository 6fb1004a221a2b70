//! A database per test, with events that a registry knows the schema of.

use std::path::Path;

use archive::Folder;
use event_store::{Append, Connections, Deed, EventStore, Expected, NewEvent, PgEventStore};
use events::{AggregateId, EventId, Metadata, TenantId, Timestamp};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use testkit::Database;
use uuid::Uuid;
use wire::{Registry, RegistryConfig};

/// A migrated events' database.
pub(crate) struct Events {
    pub(crate) database: Database,
    pub(crate) store: PgEventStore,
}

impl Events {
    pub(crate) async fn new() -> Self {
        let database = testkit::events_database().await;
        let owner = PgPoolOptions::new().max_connections(1).connect(&database.url("owner")).await.unwrap();
        event_store::migrate(&owner).await.unwrap();
        let store = PgEventStore::new(app(&database));
        Self { database, store }
    }

    /// More connections of the role that appends.
    pub(crate) fn connections(&self) -> Connections {
        app(&self.database)
    }

    pub(crate) async fn connect(&self, role: &str) -> PgConnection {
        PgConnection::connect(&self.database.url(role)).await.unwrap()
    }

    /// Appends that many events to a stream.
    pub(crate) async fn append(&self, tenant: &str, aggregate_id: AggregateId, count: usize) {
        let events = (0..count).map(|_| event()).collect();
        let append = Append { aggregate_id, aggregate_type: "thing".into(), expected: Expected::Any, events };
        self.store.append(&self::tenant(tenant), &[append]).await.unwrap();
    }

    /// Backs up to a folder.
    pub(crate) async fn backup(&self, path: &Path) -> Result<Folder, archive::Error> {
        archive::backup(&mut self.connect("auditor").await, &registry(), path, "a test", |_| {}).await
    }

    /// Restores from a folder.
    pub(crate) async fn restore(&self, folder: &Folder) -> Result<(), archive::Error> {
        let (mut owner, mut auditor) = (self.connect("owner").await, self.connect("auditor").await);
        archive::restore(&mut owner, &mut auditor, folder, &deed(), |_| {}).await
    }

    /// Every row of a table as text, in order, as the auditor sees them.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let query = AssertSqlSafe(format!("select t::text from {table} as t order by 1"));
        sqlx::query_scalar(query).fetch_all(&mut self.connect("auditor").await).await.unwrap()
    }

    /// The tables of the database; those of a partitioned one count as one.
    pub(crate) async fn tables(&self) -> Vec<String> {
        let tables = "select relname::text from pg_class where relnamespace = 'public'::regnamespace \
                      and relkind in ('r', 'p') and not relispartition";
        sqlx::query_scalar(tables).fetch_all(&mut self.connect("auditor").await).await.unwrap()
    }

    /// One number, as a superuser of this database sees it.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let facts = testkit::stack();
        let options: sqlx::postgres::PgConnectOptions =
            facts.get("MILLRACE_POSTGRES_SUPERUSER_URL").parse().unwrap();
        let mut superuser =
            PgConnection::connect_with(&options.database(self.database.name())).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut superuser).await.unwrap()
    }
}

fn app(database: &Database) -> Connections {
    Connections::new(database.url("app").parse().unwrap(), 4, std::time::Duration::from_secs(10))
}

pub(crate) fn deed() -> Deed {
    Deed { actor: "a test".into(), reason: "to see whether it works".into() }
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn aggregate() -> AggregateId {
    AggregateId(Uuid::now_v7())
}

pub(crate) fn registry() -> Registry {
    Registry::new(&RegistryConfig::at(testkit::stack().registry_url())).unwrap()
}

pub(crate) fn event() -> NewEvent {
    let event_id = EventId(Uuid::now_v7());
    // The first id of a registry that anything was published to.
    let mut payload = vec![0, 0, 0, 0, 1];
    payload.extend(event_id.0.as_bytes());
    NewEvent {
        event_id,
        event_type: "ThingHappened".into(),
        payload,
        data: serde_json::json!({ "text": "a \"quoted\" \\ text\nof two lines, é", "number": 1.50 }),
        metadata: Metadata { correlation_id: Some("because".into()), ..Metadata::default() },
        occurred_at: Timestamp::from_micros(1_700_000_000_000_001),
    }
}
