//! A request that carries a key is carried out once, however often it comes.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{Answer, World, answer, call, start};

fn is_repeated(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|it| it == "true")
}

fn commands(id: Uuid) -> String {
    format!("/v1/executions/{id}/commands")
}

fn to(id: Uuid, command: Value) -> Value {
    json!({ "aggregate": "executions", "id": id, "command": command })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_copies_at_once_are_carried_out_once() {
    let (world, id) = (Arc::new(World::new().await), Uuid::now_v7());
    world.command(id, &start()).await;
    let mut copies = JoinSet::new();
    for _ in 0..32 {
        let world = world.clone();
        copies.spawn(async move { world.keyed("k", &commands(id), &call(1), &[]).await });
    }
    let answers = copies.join_all().await;
    assert_eq!(answers.iter().filter(|it| !is_repeated(it)).count(), 1);
    let token = json!({ "tenant": "acme", "aggregate_id": id, "version": 2 });
    for copy in &answers {
        assert_eq!((copy.status, &copy.json()["token"]), (StatusCode::OK, &token), "{copy:?}");
        assert_eq!((copy.header("etag"), copy.header("millrace-token")), ("\"2\"", &*format!("acme/{id}/2")));
    }
    assert_eq!(world.state(id, "").await.version(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_copies_of_a_batch_at_once_are_carried_out_once() {
    let (world, one, other) = (Arc::new(World::new().await), Uuid::now_v7(), Uuid::now_v7());
    let batch = json!({ "commands": [to(one, start()), to(other, start()), to(one, call(1))] });
    let mut copies = JoinSet::new();
    for _ in 0..32 {
        let (world, batch) = (world.clone(), batch.clone());
        copies.spawn(async move { world.keyed("k", "/v1/batches", &batch, &[]).await });
    }
    let answers = copies.join_all().await;
    assert_eq!(answers.iter().filter(|it| !is_repeated(it)).count(), 1);
    for copy in &answers {
        let tokens = copy.json()["tokens"].clone();
        assert_eq!((&tokens[0]["version"], &tokens[1]["version"]), (&json!(2), &json!(1)), "{copy:?}");
    }
}

#[tokio::test]
async fn a_copy_gets_the_first_answer_before_its_version_or_the_rules_are_looked_at() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    world.command(id, &start()).await;
    let complete =
        json!({ "type": "CompleteExecution", "exit_status": "submitted", "patch_bytes": 1, "api_calls": 0 });
    let seen = [("if-match", "\"1\"")];
    let first = world.keyed("k", &commands(id), &complete, &seen).await;
    assert_eq!((first.version(), is_repeated(&first)), (2, false));
    // By now the version is another, and the rules let nobody complete it again.
    let judge = json!({ "type": "JudgeExecution", "judge": "tests", "verdict": "RESOLVED" });
    assert_eq!(world.command(id, &judge).await.version(), 3);
    let copy = world.keyed("k", &commands(id), &complete, &seen).await;
    assert_eq!((copy.version(), is_repeated(&copy)), (2, true));
    let another = world.keyed("another", &commands(id), &complete, &seen).await;
    assert_eq!(another.problem(), "version-conflict");

    let batch = json!({ "commands": [{ "aggregate": "executions", "id": Uuid::now_v7(), "expected_version": 0, "command": start() }] });
    let first = world.keyed("batch", "/v1/batches", &batch, &[]).await;
    let copy = world.keyed("batch", "/v1/batches", &batch, &[]).await;
    assert_eq!((first.body, is_repeated(&copy)), (copy.body.clone(), true));
    assert_eq!(world.keyed("other", "/v1/batches", &batch, &[]).await.problem(), "version-conflict");
}

#[tokio::test]
async fn a_command_that_changes_nothing_is_answered_under_its_key_all_the_same() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    let mut start = start();
    start["occurred_at"] = json!("2026-11-21T00:00:00Z");
    world.command(id, &start).await;
    let batch = json!({ "commands": [to(id, start.clone())] });
    for (path, body) in [(commands(id), &start), ("/v1/batches".to_owned(), &batch)] {
        let first = world.keyed(&path, &path, body, &[]).await;
        let copy = world.keyed(&path, &path, body, &[]).await;
        assert_eq!((first.status, is_repeated(&first)), (StatusCode::OK, false), "{first:?}");
        assert_eq!((first.body, is_repeated(&copy)), (copy.body.clone(), true));
    }
    assert_eq!(world.state(id, "").await.version(), 1);
}

#[tokio::test]
async fn a_key_is_for_one_body_at_one_path_of_one_tenant() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    world.command(id, &start()).await;
    assert_eq!(world.keyed("k", &commands(id), &call(1), &[]).await.version(), 2);
    let before = world.digest().await;
    let other = Uuid::now_v7();
    let batch = json!({ "commands": [to(id, call(1))] });
    for (path, body) in
        [(commands(id), call(2)), (commands(other), call(1)), ("/v1/batches".to_owned(), batch)]
    {
        let refused = world.keyed("k", &path, &body, &[]).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"),
            "{path} {body}"
        );
    }
    assert_eq!(world.digest().await, before);
    let globex = world.bare(Method::POST, &commands(other)).header("content-type", "application/json");
    let globex = globex.bearer_auth(world.token("globex", http_api::auth::Role::Writer));
    let theirs = answer(globex.header("idempotency-key", "k").body(start().to_string())).await;
    assert_eq!((theirs.version(), is_repeated(&theirs)), (1, false));
}

#[tokio::test]
async fn what_was_archived_is_said_to_be_and_not_guessed() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    for command in [start(), call(1), call(2)] {
        world.command(id, &command).await;
    }
    prune(&world.owner, id, 2).await;
    for refused in [world.state(id, "").await, world.command(id, &call(3)).await] {
        assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::GONE, "archived"));
        assert_eq!(refused.json()["through_version"], json!(2));
    }
}

/// What the archive does with events that it has written to a file.
async fn prune(owner: &PgPool, id: Uuid, through_version: i64) {
    let mut owner = owner.acquire().await.unwrap();
    sqlx::query("set millrace.tenant = 'acme'").execute(&mut *owner).await.unwrap();
    let pruned = "select prune_events('acme', 'archived', 'tester', 'why', array[$1], array[$2], null, 'f')";
    sqlx::query(pruned).bind(id).bind(through_version).execute(&mut *owner).await.unwrap();
}
