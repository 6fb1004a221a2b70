//! The query API as a role: what a command answered is found in every view, as fresh as asked or called stale.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Role, World, tenant};

/// Both APIs, and a client of a tenant.
struct Faces {
    commands: Role,
    queries: Role,
    client: Client,
    token: String,
}

impl Faces {
    async fn start(world: &World, tenant: &str) -> Self {
        let any = "127.0.0.1:0";
        let token = world.program.done(&["token", "--tenant", tenant, "--actor", "tester"]).await;
        let commands = Role::ready(world, "command-api", &[("MILLRACE_API_ADDRESS", any)]).await;
        let patient = [("MILLRACE_QUERY_ADDRESS", any), ("MILLRACE_QUERY_WAIT_MS_MAX", "60000")];
        let queries = Role::ready(world, "query-api", &patient).await;
        Self { commands, queries, client: Client::new(), token: token.trim().to_owned() }
    }

    /// Carries a command out; answers its token.
    async fn command(&self, id: Uuid, command: Value) -> String {
        let address = self.commands.address("commands are taken").unwrap();
        let request = self.client.post(format!("http://{address}/v1/executions/{id}/commands"));
        let answer = request.bearer_auth(&self.token).json(&command).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        answer.headers()["millrace-token"].to_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        let address = self.queries.address("views are shown").unwrap();
        let request = self.client.get(format!("http://{address}/v1/views{path}")).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }
}

fn start() -> Value {
    json!({ "type": "StartExecution", "task": "t", "repository": "r", "model": "m", "agent": "a" })
}

fn call(step: i32, cost_nano_usd: i64) -> Value {
    json!({
        "type": "RecordModelCall", "step": step, "prompt_tokens": 10, "completion_tokens": 1, "reasoning_tokens": 0,
        "cached_tokens": 0, "thought_bytes": 0, "cost_nano_usd": cost_nano_usd,
    })
}

#[tokio::test]
async fn what_a_command_answered_is_in_every_view_or_the_view_says_that_it_is_stale() {
    let (world, id) = (World::shared(), Uuid::now_v7());
    let faces = Faces::start(&world, tenant("query").as_str()).await;
    let projector = Role::projector(&world).await;
    faces.command(id, start()).await;
    for step in 1..=5 {
        let token = faces.command(id, call(step, 7)).await;
        for (path, found) in [
            (format!("/executions/{id}"), "/row/steps"),
            (format!("/live-executions/{id}"), "/row/step"),
            ("/repository-model-totals".to_owned(), "/rows/0/steps"),
            ("/executions".to_owned(), "/rows/0/steps"),
        ] {
            let answer = faces.get(&format!("{path}?token={token}&wait_ms=60000")).await;
            assert_eq!(
                (&answer["stale"], answer.pointer(found)),
                (&json!(false), Some(&json!(step))),
                "{path} {answer}"
            );
        }
        let board = faces.get(&format!("/live-executions/boards/cost?token={token}&wait_ms=60000")).await;
        assert_eq!(board["places"], json!([{ "aggregate_id": id, "score": 7 * step }]), "{board}");
    }
    let views = faces.get("").await;
    let names: Vec<_> = views["views"].as_array().unwrap().iter().map(|view| &view["name"]).collect();
    assert_eq!(names, ["executions", "live-executions", "repository-model-totals"]);
    projector.stop().await;

    let token = faces.command(id, call(6, 7)).await;
    for path in
        [format!("/executions/{id}"), format!("/live-executions/{id}"), "/repository-model-totals".to_owned()]
    {
        let answer = faces.get(&format!("{path}?token={token}&wait_ms=100")).await;
        assert_eq!(answer["stale"], true, "{path} {answer}");
    }
    let projector = Role::projector(&world).await;
    for path in
        [format!("/executions/{id}"), format!("/live-executions/{id}"), "/repository-model-totals".to_owned()]
    {
        let answer = faces.get(&format!("{path}?token={token}&wait_ms=60000")).await;
        assert_eq!(answer["stale"], false, "{path} {answer}");
    }
    assert!(!faces.queries.log().contains(&faces.token));
    projector.stop().await;
    faces.queries.stop().await;
    faces.commands.stop().await;
}
