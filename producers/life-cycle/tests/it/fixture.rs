//! A store with a steward, and events that need no domain.

use std::sync::Arc;
use std::time::Duration;

use event_store::{
    Append, Connections, Deed, EventStore, Expected, NewEvent, PgEventStore, PgSubjectKeys, migrate,
};
use events::{AggregateId, EventId, Metadata, TenantId, Timestamp};
use life_cycle::Steward;
use personal_data::{Keyring, MasterKeys, Place, SubjectId};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};
use testkit::Database;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) steward: Steward,
    pub(crate) store: PgEventStore,
}

impl World {
    pub(crate) async fn new() -> Self {
        let database = testkit::events_database().await;
        let owner = pool(&database.url("owner")).await;
        migrate(&owner).await.expect("a fresh database takes the migrations");
        let store = PgEventStore::new(connections(&database));
        let steward = Steward::new(owner, pool(&database.url("auditor")).await);
        Self { database, steward, store }
    }

    /// A keyring that remembers nothing.
    pub(crate) fn keyring(&self, master: MasterKeys) -> Keyring {
        Keyring::new(Arc::new(PgSubjectKeys::new(connections(&self.database))), master, Duration::ZERO)
    }

    /// Appends events that greet a person, sealed with the person's key; returns where.
    pub(crate) async fn greet(
        &self,
        keyring: &Keyring,
        tenant: &TenantId,
        who: &str,
        times: usize,
    ) -> AggregateId {
        let (subject, aggregate_id) = (subject(who), AggregateId(Uuid::now_v7()));
        let key = keyring.key_of(tenant, &subject).await.unwrap();
        let events = (0..times).map(|_| {
            let mut event = event("Greeted", json!({}));
            let mut name = format!("{who} in person");
            let place = Place { tenant, aggregate_id, event_id: event.event_id };
            key.seal(place, [("name", &mut name)]).unwrap();
            event.payload.extend_from_slice(name.as_bytes());
            event.data = json!({ "name": name, "at": 1 });
            event
        });
        self.append(tenant, aggregate_id, events.collect()).await;
        aggregate_id
    }

    pub(crate) async fn stream(&self, tenant: &TenantId, types: &[&str]) -> AggregateId {
        let aggregate_id = AggregateId(Uuid::now_v7());
        self.append(tenant, aggregate_id, types.iter().map(|name| event(name, json!({}))).collect()).await;
        aggregate_id
    }

    async fn append(&self, tenant: &TenantId, aggregate_id: AggregateId, events: Vec<NewEvent>) {
        let append =
            Append { aggregate_id, aggregate_type: "thing".into(), expected: Expected::None, events };
        self.store.append(tenant, &[append]).await.unwrap();
    }

    pub(crate) async fn connect(&self, role: &str, tenant: &str) -> PgConnection {
        let options: PgConnectOptions = self.database.url(role).parse().unwrap();
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let set = format!("set millrace.tenant = '{tenant}'");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(set))).await.unwrap();
        connection
    }

    /// Every row of a tenant in every table that names it, as text, outbox included.
    pub(crate) async fn rows(&self, tenant: &str) -> Vec<String> {
        let mut owner = self.connect("owner", tenant).await;
        let tables: Vec<String> = sqlx::query_scalar(
            "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
             where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        let mut rows = vec![];
        for table in tables {
            let all = format!("select '{table} ' || to_jsonb(t)::text from {table} as t order by 1");
            rows.extend(
                sqlx::query_scalar::<_, String>(AssertSqlSafe(all)).fetch_all(&mut owner).await.unwrap(),
            );
        }
        rows
    }
}

pub(crate) fn event(name: &str, data: serde_json::Value) -> NewEvent {
    NewEvent {
        event_id: EventId(Uuid::now_v7()),
        event_type: name.into(),
        payload: vec![0, 0, 0, 0, 1, 42],
        data,
        metadata: Metadata::default(),
        occurred_at: Timestamp::from_micros(1),
    }
}

fn connections(database: &Database) -> Connections {
    Connections::new(database.url("app").parse().unwrap(), 4, Duration::from_secs(10))
}

async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(2).connect(url).await.unwrap()
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn subject(name: &str) -> SubjectId {
    name.parse().unwrap()
}

pub(crate) fn deed() -> Deed {
    Deed { actor: "a person".into(), reason: "because".into() }
}
