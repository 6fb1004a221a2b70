//! A database of the views' kind for one test.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Parser;
use dead_letters::{Filter, Operator, Scope};
use events::AggregateId;
use futures::TryStreamExt;
use kafka::conformance::{Parked, Sink, Tally, TallyView, Totals};
use kafka::{ParkKey, RowKey};
use projection::Row;
use projection_postgres::{Definition, PostgresConfig, PostgresViews, Tables, scan};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use testkit::PostgresProxy;
use uuid::Uuid;

pub(crate) const TABLES: Tables<'static> = Tables { view: "tally", totals: Some("tally_total") };
pub(crate) const DEFINITION: Definition<'static> =
    Definition::of::<Tally>(&[include_str!("definition/tally.sql")]);

pub(crate) struct PostgresSink {
    pub(crate) database: testkit::Database,
}

impl PostgresSink {
    pub(crate) async fn new() -> Self {
        Self::of(testkit::views_database().await).await
    }

    pub(crate) async fn of(database: testkit::Database) -> Self {
        let sink = Self { database };
        let mut owner = sink.connect("owner").await;
        projection_postgres::migrate(&mut owner, &[DEFINITION]).await.unwrap();
        projection_postgres::migrate(&mut owner, &[DEFINITION]).await.unwrap(); // Twice is once.
        sink
    }

    pub(crate) async fn connect(&self, role: &str) -> PgConnection {
        PgConnection::connect(&self.database.url(role)).await.unwrap()
    }

    pub(crate) fn name(&self) -> &str {
        self.database.name()
    }

    pub(crate) fn url(&self, role: &str) -> String {
        self.database.url(role)
    }

    pub(crate) fn config(&self) -> PostgresConfig {
        config_of(&self.database)
    }

    /// A way to the database, and the store of an owner that takes it.
    pub(crate) async fn proxied(&self) -> (PostgresProxy, PostgresViews<Tally>) {
        let proxy = PostgresProxy::before(&self.url("views_writer"));
        let store = Self::open_by(&proxy).await;
        (proxy, store)
    }

    /// The store of an owner that takes this way.
    pub(crate) async fn open_by(way: &PostgresProxy) -> PostgresViews<Tally> {
        PostgresViews::open(&config_by(way.url()), TABLES).await.unwrap()
    }

    pub(crate) async fn execute(&self, role: &str, sql: &str) -> Result<u64, sqlx::Error> {
        let mut connection = self.connect(role).await;
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.map(|done| done.rows_affected())
    }

    /// Ends every session of the sink, as a restart of the server would.
    pub(crate) async fn cut_connections(&self) -> i64 {
        let mut owner = testkit::superuser().await;
        sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = $1 and application_name = 'tally'",
        )
        .bind(self.database.name())
        .fetch_one(&mut owner)
        .await
        .unwrap()
    }
}

/// How a projector reaches the views of a database.
pub(crate) fn config_of(database: &testkit::Database) -> PostgresConfig {
    config_by(&database.url("views_writer"))
}

fn config_by(url: &str) -> PostgresConfig {
    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        config: PostgresConfig,
    }
    Program::parse_from(["it", "--views-url", url]).config
}

impl Sink for PostgresSink {
    type Store = PostgresViews<Tally>;

    async fn open(&self) -> PostgresViews<Tally> {
        let store = PostgresViews::open(&self.config(), TABLES).await.unwrap();
        store.with_feed(Some(Duration::from_secs(3600)))
    }

    async fn rows(&self) -> BTreeMap<RowKey, Row<TallyView>> {
        let mut connection = self.connect("views_writer").await;
        let rows = scan::<TallyView>(&mut connection, "tally").await.unwrap();
        rows.map_ok(|row| (row.key, row.row)).try_collect().await.unwrap()
    }

    async fn feed(&self) -> Vec<RowKey> {
        let mut connection = self.connect("views_writer").await;
        let sql = "select tenant_id, unnest(aggregate_ids) from projection_change
                   where projection = 'tally' and tenant_id is not null order by id";
        let told: Vec<(String, Uuid)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
        let key = |(tenant, id): (String, Uuid)| RowKey {
            tenant: tenant.parse().unwrap(),
            aggregate_id: AggregateId(id),
        };
        told.into_iter().map(key).collect()
    }

    async fn totals(&self) -> Option<Totals> {
        let mut connection = self.connect("views_writer").await;
        let rows: Vec<(String, String, i64, i64, i64)> = sqlx::query_as(
            "select tenant_id, repository, sum(runs)::bigint, sum(steps)::bigint, sum(tokens)::bigint
             from tally_total group by 1, 2 having sum(runs) <> 0 or sum(steps) <> 0 or sum(tokens) <> 0",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let total = |(tenant, repository, runs, steps, tokens): (String, String, i64, i64, i64)| {
            ((tenant.parse().unwrap(), repository), [runs, steps, tokens])
        };
        Some(rows.into_iter().map(total).collect())
    }

    async fn next_offset(&self, topic: &str, partition: i32) -> i64 {
        let mut connection = self.connect("views_writer").await;
        let standings = ownership::standings(&mut connection, "tally").await.unwrap();
        standings
            .iter()
            .find(|s| s.topic == topic && s.partition == partition)
            .map_or(0, |standing| standing.next_offset)
    }

    async fn parked(&self) -> Vec<Parked> {
        let mut connection = self.connect("views_writer").await;
        let mut parked = Vec::new();
        for shown in Operator::new(&mut connection).list(&Filter::of("tally"), 10_000).await.unwrap() {
            let mut connection = self.connect("views_writer").await;
            // Released meanwhile: then it has no records to show.
            let events =
                Operator::new(&mut connection).show("tally", &shown.key(), 10_000).await.unwrap_or_default();
            let offsets = events.iter().map(|event| event.record_offset).collect();
            parked.push(Parked { key: shown.key(), state: shown.state, reason: shown.reason, offsets });
        }
        parked
    }

    async fn redrive(&self, key: &ParkKey) {
        let mut connection = self.connect("views_writer").await;
        Operator::new(&mut connection).redrive("tally", key, "tester").await.unwrap();
    }

    async fn discard_first(&self, key: &ParkKey, foreign: bool) {
        let mut connection = self.connect("views_writer").await;
        let mut operator = Operator::new(&mut connection);
        operator.discard("tally", key, Scope::First, foreign, "a test says so", "tester").await.unwrap();
    }

    async fn decisions(&self) -> (usize, usize) {
        let mut connection = self.connect("views_writer").await;
        let decisions = Operator::new(&mut connection).decisions("tally").await.unwrap();
        let foreign = decisions.iter().filter(|decision| decision.version.is_none()).count();
        (decisions.len() - foreign, foreign)
    }
}
