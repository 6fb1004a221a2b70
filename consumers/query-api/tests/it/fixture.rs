//! An API of its own for each test: a database, an issuer, a server on a free port.

use std::time::Duration;

use agent_views::{EXECUTION_TABLE, EXECUTIONS_DEFINITION, ExecutionsPostgres, REPOSITORY_MODEL_TOTAL_VIEW};
use clap::Parser;
use http_api::auth::{AuthConfig, Grant, Issuer, Role, Verifier};
use http_api::{Metrics, Server};
use projection_postgres::{Definition, Readers, ReadersConfig, migrate};
use query_api::{Api, QueryConfig, Streams, View, watch};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool};
use tempfile::TempDir;
use testkit::Database;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Everything that a test asks, and what it writes behind.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) writer: PgPool,
    issuer: Issuer,
    auth: AuthConfig,
    url: String,
    client: Client,
    _folder: TempDir,
    pub(crate) stop: CancellationToken,
    _served: DropGuard,
}

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    api: QueryConfig,
    #[command(flatten)]
    auth: AuthConfig,
    #[command(flatten)]
    readers: ReadersConfig,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

/// A row of `execution` as a test writes it; the rest is the same for all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) status: &'static str,
    pub(crate) repository: String,
    pub(crate) steps: i64,
    pub(crate) verdict: Option<&'static str>,
    pub(crate) ended_at: Option<&'static str>,
    pub(crate) is_deleted: bool,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With settings of its own.
    pub(crate) async fn with(settings: &[&str]) -> Self {
        let database = testkit::views_database().await;
        let mut owner = PgConnection::connect(&database.url("owner")).await.unwrap();
        migrate(&mut owner, &[Definition::of::<ExecutionsPostgres>(EXECUTIONS_DEFINITION)]).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::open(folder.path()).unwrap();
        let keys = issuer.keys().display().to_string();
        let (dashboard, any) = (database.url("dashboard"), "127.0.0.1:0");
        let given = [
            "api",
            "--query-address",
            any,
            "--api-keys",
            &keys,
            "--views-dashboard-url",
            &dashboard,
            "--query-rows-max",
            "50",
        ];
        let Program { api: config, auth, readers } = Program::parse_from(given.iter().chain(settings));
        let (readers, stop) = (Readers::new(&readers).unwrap(), CancellationToken::new());
        let verifier = Verifier::open(&auth).await.unwrap();
        let fresh = watch(readers.clone(), stop.clone());
        let rows = readers.relation(EXECUTION_TABLE, &["aggregate_id"]).await.unwrap();
        let by = &["repository", "model_name"];
        let totals = readers.relation(REPOSITORY_MODEL_TOTAL_VIEW, by).await.unwrap();
        let streams = Streams::new(&config, stop.clone());
        let api = Api::new(readers, fresh, verifier, &config, Metrics::default(), streams)
            .view(View::table("executions", "Executions", "executions-postgres", 2, rows.clone()))
            .view(View::totals("totals", "Totals", "executions-postgres", 2, totals, rows));
        let server = Server::bind(config.query_address, &config.http).await.unwrap();
        let url = format!("http://{}", server.address().unwrap());
        tokio::spawn(server.serve(api.routes(), stop.clone()));
        let writer = PgPool::connect(&database.url("views_writer")).await.unwrap();
        let _served = stop.clone().drop_guard();
        Self { database, writer, issuer, auth, url, client: Client::new(), _folder: folder, stop, _served }
    }

    /// A request of a tenant's reader.
    pub(crate) fn request(&self, tenant: &str, path: &str) -> reqwest::RequestBuilder {
        let (tenant, lifetime) = (tenant.parse().unwrap(), Duration::from_secs(600));
        let grant = Grant { tenant, actor: "tester".to_owned(), role: Role::Reader, lifetime };
        self.bare(path).bearer_auth(self.issuer.issue(&grant, &self.auth).unwrap())
    }

    /// A request of nobody.
    pub(crate) fn bare(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// What tenant acme is answered.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request("acme", path)).await
    }

    /// Writes a row as a projector would that has no feed.
    pub(crate) async fn write(&self, tenant: &str, row: &Written) {
        let mut writing = self.writer.acquire().await.unwrap();
        self.write_in(&mut writing, tenant, row).await;
    }

    /// Writes rows and tells the feed of them, in one transaction.
    pub(crate) async fn change(&self, tenant: &str, rows: &[Written]) {
        let mut changing = self.writer.begin().await.unwrap();
        for row in rows {
            self.write_in(&mut changing, tenant, row).await;
        }
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        sqlx::query("insert into projection_change (projection, tenant_id, aggregate_ids) values ('executions-postgres', $1, $2)")
            .bind(tenant)
            .bind(ids)
            .execute(&mut *changing)
            .await
            .unwrap();
        changing.commit().await.unwrap();
    }

    async fn write_in(&self, connection: &mut PgConnection, tenant: &str, row: &Written) {
        sqlx::query(include_str!("row.sql"))
            .bind(tenant)
            .bind(row.id)
            .bind(row.version)
            .bind(row.is_deleted)
            .bind(row.status)
            .bind(&row.repository)
            .bind(row.steps)
            .bind(row.verdict)
            .bind(row.ended_at)
            .execute(connection)
            .await
            .unwrap();
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    Answer { status, headers, body: answer.text().await.unwrap() }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?} is no JSON"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The rows of a page.
    #[track_caller]
    pub(crate) fn rows(&self) -> Vec<Value> {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()["rows"].as_array().unwrap().clone()
    }

    /// The problem's type, and the parameter that is to blame.
    pub(crate) fn problem(&self) -> (String, Option<String>) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        let kind = problem["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned();
        (kind, problem["parameter"].as_str().map(str::to_owned))
    }
}
