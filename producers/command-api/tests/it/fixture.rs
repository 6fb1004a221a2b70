//! An API of its own for each test: a database, an issuer, a server on a free port.

use std::time::Duration;

use clap::Parser;
use command_api::{Api, ApiConfig};
use event_store::{Codec, Connections, PgEventStore, Repository, migrate};
use http_api::auth::{AuthConfig, Grant, Issuer, Role, Verifier};
use http_api::{Metrics, Server};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;
use testkit::Database;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Everything that a test asks, and what it looks behind.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) owner: PgPool,
    pub(crate) issuer: Issuer,
    pub(crate) auth: AuthConfig,
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<usize>,
    pub(crate) folder: TempDir,
    client: Client,
}

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    api: ApiConfig,
    #[command(flatten)]
    auth: AuthConfig,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With further flags of the API.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        let database = testkit::events_database().await;
        let owner = PgPool::connect(&database.url("owner")).await.unwrap();
        migrate(&owner).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let issuer = Issuer::open(folder.path()).unwrap();
        let keys = issuer.keys().display().to_string();
        let given = ["api", "--api-address", "127.0.0.1:0", "--api-keys", &keys];
        let Program { api: config, auth } = Program::parse_from(given.iter().chain(flags));
        let app: PgConnectOptions = database.url("app").parse().unwrap();
        let store = PgEventStore::new(Connections::new(app, 4, Duration::from_secs(5)));
        let verifier = Verifier::open(&auth).await.unwrap();
        let mut api = Api::new(store.clone(), verifier, &config, Metrics::default());
        agents::each_aggregate!(A => {
            api = api.aggregate(Repository::<A, _>::new(store.clone(), Codec::with_ids(1).unwrap()));
        });
        let (server, stop) =
            (Server::bind(config.api_address, &config.http).await.unwrap(), CancellationToken::new());
        let url = format!("http://{}", server.address().unwrap());
        let served = tokio::spawn(server.serve(api.routes(), stop.clone()));
        Self { database, owner, issuer, auth, url, stop, served, folder, client: Client::new() }
    }

    pub(crate) fn token(&self, tenant: &str, role: Role) -> String {
        let grant = Grant {
            tenant: tenant.parse().unwrap(),
            actor: "tester".to_owned(),
            role,
            lifetime: Duration::from_secs(600),
        };
        self.issuer.issue(&grant, &self.auth).unwrap()
    }

    /// A request by a writer of tenant acme, announced as JSON.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path)
            .bearer_auth(self.token("acme", Role::Writer))
            .header("content-type", "application/json")
    }

    /// A request that says nothing by itself.
    pub(crate) fn bare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn command(&self, id: Uuid, command: &Value) -> Answer {
        let path = format!("/v1/executions/{id}/commands");
        answer(self.request(Method::POST, &path).body(command.to_string())).await
    }

    /// The same under an idempotency key, and with further headers.
    pub(crate) async fn keyed(
        &self,
        key: &str,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = self.request(Method::POST, path).header("idempotency-key", key);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        answer(request.body(body.to_string())).await
    }

    pub(crate) async fn state(&self, id: Uuid, query: &str) -> Answer {
        answer(self.request(Method::GET, &format!("/v1/executions/{id}{query}"))).await
    }

    /// Everything the store has, as one text that any change changes.
    pub(crate) async fn digest(&self) -> String {
        let auditor = PgPool::connect(&self.database.url("auditor")).await.unwrap();
        let query = "select count(*) || ':' || coalesce(md5(string_agg(e::text, '|' order by position)), '') from event_store e";
        sqlx::query_scalar(query).fetch_one(&auditor).await.unwrap()
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

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{self:?} has no {name}")).to_str().unwrap()
    }

    /// The problem's type, without what all have in common.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self.json()["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned()
    }

    #[track_caller]
    pub(crate) fn version(&self) -> u64 {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()["token"]["version"].as_u64().unwrap()
    }
}

pub(crate) fn start() -> Value {
    json!({ "type": "StartExecution", "task": "t", "repository": "r", "model": "m", "agent": "a" })
}

pub(crate) fn call(step: i32) -> Value {
    json!({
        "type": "RecordModelCall", "step": step, "prompt_tokens": 10, "completion_tokens": 1, "reasoning_tokens": 0,
        "cached_tokens": 0, "thought_bytes": 0, "cost_nano_usd": 1_500_000,
    })
}
