//! The command API as a role: it takes commands of whoever has a token, says whether it can, and goes without a loss.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use testkit::Database;
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use crate::harness::{PATIENCE, Role, World, eventually};

/// The role on a store of its own, and a client.
struct Served {
    database: Database,
    role: Role,
    client: Client,
    url: String,
    token: String,
}

impl Served {
    async fn start(world: &World) -> Self {
        let database = testkit::events_database().await;
        event_store::migrate(&PgPool::connect(&database.url("owner")).await.unwrap()).await.unwrap();
        let token = world.program.done(&["token", "--tenant", "acme", "--actor", "tester"]).await;
        let settings = [
            ("MILLRACE_EVENTS_APP_URL", database.url("app")),
            ("MILLRACE_API_ADDRESS", "127.0.0.1:0".to_owned()),
        ];
        let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
        let role = Role::ready(world, "command-api", &settings).await;
        let url = format!("http://{}", role.address("commands are taken").unwrap());
        Self { database, role, client: Client::new(), url, token: token.trim().to_owned() }
    }

    async fn command(&self, path: &str, command: Value) -> (StatusCode, Value) {
        let request = self.client.post(format!("{}/v1/{path}/commands", self.url)).bearer_auth(&self.token);
        let answer = request.json(&command).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }
}

fn create() -> Value {
    json!({ "type": "CreatePrompt", "name": "planner", "role": "PLANNER", "description": "Breaks a goal into steps." })
}

#[tokio::test]
async fn the_role_takes_commands_of_every_aggregate_counts_them_and_tells_no_token() {
    let (world, id) = (World::shared(), Uuid::now_v7());
    let api = Served::start(&world).await;
    let mut follower = PgListener::connect(&api.database.url("auditor")).await.unwrap();
    follower.listen("event_store_appended").await.unwrap();
    let (status, answer) = api.command(&format!("prompts/{id}"), create()).await;
    assert_eq!((status, &answer["token"]["version"]), (StatusCode::OK, &json!(1)), "{answer}");
    timeout(PATIENCE, follower.recv()).await.expect("followers are told").unwrap();
    let rename = json!({ "type": "RenamePrompt", "name": "planner for code" });
    let (status, answer) = api.command(&format!("prompts/{id}"), rename).await;
    assert_eq!((status, &answer["token"]["version"]), (StatusCode::OK, &json!(2)), "{answer}");
    for collection in ["executions", "workflows"] {
        let (status, answer) = api.command(&format!("{collection}/{}", Uuid::now_v7()), json!({})).await;
        assert_eq!(
            (status, &answer["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("/type")),
            "{answer}"
        );
    }
    let nobody = api.client.get(format!("{}/v1/prompts/{id}", api.url)).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);

    assert_eq!(api.role.metric("millrace_api_requests_total").await, Some(5.0));
    assert!(api.role.metric("millrace_api_store_connections_max").await.unwrap() >= 1.0);
    let log = api.role.log();
    assert!(!log.contains(&api.token) && !log.contains("planner for code"), "{log}");
    api.role.stop().await;
}

#[tokio::test]
async fn a_command_that_waits_for_the_store_is_answered_before_the_role_ends() {
    let (world, id) = (World::shared(), Uuid::now_v7());
    let api = Served::start(&world).await;
    let mut owner = PgConnection::connect(&api.database.url("owner")).await.unwrap();
    let mut held = owner.begin().await.unwrap();
    held.execute("lock table event_store in access exclusive mode").await.unwrap();
    let request = api.client.post(format!("{}/v1/prompts/{id}/commands", api.url)).bearer_auth(&api.token);
    let waiting = tokio::spawn(request.json(&create()).send());
    let mut watcher = PgConnection::connect(&api.database.url("owner")).await.unwrap();
    eventually("the command waits", PATIENCE, async || {
        let waiting = "select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watcher).await.unwrap() > 0
    })
    .await;
    let Served { role, url, .. } = api;
    let stopping = tokio::spawn(role.stop());
    let address = url.trim_start_matches("http://");
    eventually("nobody else is let in", PATIENCE, async || TcpStream::connect(address).await.is_err()).await;
    held.rollback().await.unwrap();
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap()["token"]["version"], json!(1));
    stopping.await.unwrap();
}
