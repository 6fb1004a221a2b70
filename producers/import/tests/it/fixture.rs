use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use agents::Execution;
use event_store::{Codec, Config, EventStore, InMemoryEventStore, PgEventStore};
use events::{TenantId, Timestamp};
use import::{Bookkeeping, Importer, Origin, Progress, Rejected, Report, Rules, Verified};
use mapping::Mapping;
use sqlx::{Connection, PgConnection, PgPool};
use tempfile::NamedTempFile;

pub(crate) const RUN: &str = "0198f3a0-0000-7000-8000-000000000001";

pub(crate) fn sample() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../agents/samples/agent-runs.jsonl.gz"))
}

pub(crate) fn agent_runs() -> Mapping {
    Mapping::parse(include_str!("../../../agents/samples/agent-runs.yaml")).unwrap()
}

pub(crate) const EXECUTION_TABLE: &str = include_str!("../../../agents/samples/execution-table.yaml");

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn rules() -> Arc<Rules<Execution>> {
    Arc::new(Rules::new(Codec::with_ids(1).unwrap()))
}

pub(crate) fn in_memory() -> Arc<InMemoryEventStore> {
    Arc::new(InMemoryEventStore::new(|| Timestamp::from_micros(1)))
}

pub(crate) fn file(contents: &str) -> (NamedTempFile, Origin) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(contents.as_bytes()).unwrap();
    let origin = Origin::File(file.path().to_owned());
    (file, origin)
}

/// An importer for tenant acme, and what it says.
pub(crate) struct Import<S> {
    pub(crate) importer: Importer<S>,
}

impl<S: EventStore + 'static> Import<S> {
    pub(crate) fn into(store: &Arc<S>) -> Self {
        Self { importer: Importer::new(Arc::clone(store), rules(), tenant("acme"), 4) }
    }

    pub(crate) async fn run(&self, mapping: &Mapping, origin: &Origin) -> (Report, Vec<Rejected>) {
        let mut rejected = Vec::new();
        let tell = |one: &Rejected| rejected.push(one.clone());
        let report = self.importer.run(mapping, origin, RUN, &Progress::default(), tell).await.unwrap();
        (report, rejected)
    }

    pub(crate) async fn validate(&self, mapping: &Mapping, origin: &Origin) -> (Report, Vec<Rejected>) {
        let mut rejected = Vec::new();
        let tell = |one: &Rejected| rejected.push(one.clone());
        let report = self.importer.validate(mapping, origin, &Progress::default(), tell).await.unwrap();
        (report, rejected)
    }

    pub(crate) async fn verify(&self, mapping: &Mapping, origin: &Origin) -> Verified {
        self.importer.verify(mapping, origin, &Progress::default()).await.unwrap()
    }
}

/// A migrated events' database, and a table of executions beside it in the same one.
pub(crate) struct Events {
    pub(crate) database: testkit::Database,
    pub(crate) store: Arc<PgEventStore>,
}

impl Events {
    pub(crate) async fn new() -> Self {
        let database = testkit::events_database().await;
        let owner = PgPool::connect(&database.url("owner")).await.unwrap();
        event_store::migrate(&owner).await.unwrap();
        outbox::Outbox::new(owner).roll(outbox::Retention::default()).await.unwrap();
        let config =
            Config { events_url: database.url("app"), events_connections: 4, events_acquire_ms_max: 60_000 };
        Self { store: Arc::new(PgEventStore::new(config.connect().await.unwrap())), database }
    }

    pub(crate) async fn books(&self) -> Bookkeeping {
        Bookkeeping::connect(&self.database.url("app"), tenant("acme")).await.unwrap()
    }

    pub(crate) async fn as_role(&self, role: &str) -> PgConnection {
        PgConnection::connect(&self.database.url(role)).await.unwrap()
    }

    /// A table of so many executions, made by the database itself.
    pub(crate) async fn history(&self, rows: i64) -> Origin {
        let mut owner = self.as_role("owner").await;
        let table = sqlx::AssertSqlSafe(include_str!("../../../agents/samples/execution-table.sql"));
        sqlx::raw_sql(table).execute(&mut owner).await.unwrap();
        sqlx::query("select fill_execution_history($1)").bind(rows).execute(&mut owner).await.unwrap();
        Origin::Database(self.database.url("auditor"))
    }

    /// How many events there are, and the sum of the costs that the plain copies of completed executions tell.
    pub(crate) async fn stored(&self) -> (i64, i64) {
        let stored = "select count(*), coalesce(sum((event_data ->> 'reported_cost_nano_usd')::bigint), 0)::bigint from event_store";
        let row: (i64, i64) =
            sqlx::query_as(stored).fetch_one(&mut self.as_role("auditor").await).await.unwrap();
        row
    }
}
