//! What a client who does everything right gets.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use http_api::auth::Role;

use crate::fixture::{World, answer, call, start};

#[tokio::test]
async fn a_command_is_recorded_and_answered_with_a_token() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    let started = world.command(id, &start()).await;
    assert_eq!(started.version(), 1);
    assert_eq!(started.json()["token"], json!({ "tenant": "acme", "aggregate_id": id, "version": 1 }));
    assert_eq!(started.header("etag"), "\"1\"");
    assert_eq!(started.header("millrace-token"), format!("acme/{id}/1"));
    assert_eq!(world.command(id, &call(1)).await.version(), 2);

    let shown = world.state(id, "").await;
    assert_eq!((shown.status, shown.header("etag")), (StatusCode::OK, "\"2\""));
    assert_eq!(world.state(id, "?version=1").await.version(), 1);
    assert_eq!(world.state(id, "?at=2000-01-01T00:00:00Z").await.problem(), "not-found");
}

#[tokio::test]
async fn events_know_who_asked_and_what_they_belong_to() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = world.request(Method::POST, &format!("/v1/executions/{id}/commands"));
    let request = request.header("correlation-id", "order-66").header("traceparent", trace);
    let started = answer(request.body(start().to_string())).await;
    assert_eq!((started.header("correlation-id"), started.header("traceparent")), ("order-66", trace));

    let auditor = PgPool::connect(&world.database.url("auditor")).await.unwrap();
    let metadata: Value =
        sqlx::query_scalar("select metadata from event_store").fetch_one(&auditor).await.unwrap();
    assert_eq!(
        metadata,
        json!({ "correlation_id": "order-66", "causation_id": "order-66", "actor": "tester", "traceparent": trace })
    );
}

#[tokio::test]
async fn a_version_that_is_no_longer_true_is_a_conflict_that_says_what_happened_since() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    world.command(id, &start()).await;
    world.command(id, &call(1)).await;
    let request = world.request(Method::POST, &format!("/v1/executions/{id}/commands"));
    let refused = answer(request.header("if-match", "\"1\"").body(call(2).to_string())).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (StatusCode::PRECONDITION_FAILED, "version-conflict")
    );
    let conflict = &refused.json()["conflicts"][0];
    assert_eq!((&conflict["expected"], &conflict["actual"]), (&json!(1), &json!(2)));
    assert_eq!(conflict["events"][0]["event_type"], "ModelCalled");
    assert_eq!(conflict["events"].as_array().unwrap().len(), 1);

    let request = world.request(Method::POST, &format!("/v1/executions/{id}/commands"));
    let agreed = answer(request.header("if-match", "\"2\"").body(call(2).to_string())).await;
    assert_eq!(agreed.version(), 3);
}

#[tokio::test]
async fn the_rules_say_no_under_the_domains_name() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    world.command(id, &start()).await;
    let refused = world.command(id, &call(7)).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "command-rejected"));
    assert_eq!(refused.json()["rejection"], json!({ "type": "StepOutOfOrder", "expected": 1, "found": 7 }));
}

#[tokio::test]
async fn a_batch_is_recorded_whole_or_not_at_all() {
    let (world, one, other) = (World::new().await, Uuid::now_v7(), Uuid::now_v7());
    let batch = |commands: Value| {
        answer(world.request(Method::POST, "/v1/batches").body(json!({ "commands": commands }).to_string()))
    };
    let to = |id: Uuid, command: Value| json!({ "aggregate": "executions", "id": id, "command": command });

    let done = batch(json!([to(one, start()), to(other, start()), to(one, call(1))])).await;
    assert_eq!(done.json()["tokens"][0], json!({ "tenant": "acme", "aggregate_id": one, "version": 2 }));
    assert_eq!(done.json()["tokens"][1], json!({ "tenant": "acme", "aggregate_id": other, "version": 1 }));

    let before = world.digest().await;
    let refused = batch(json!([to(one, call(2)), to(other, call(2))])).await;
    assert_eq!(
        (refused.problem().as_str(), &refused.json()["field"]),
        ("command-rejected", &json!("/commands/1"))
    );
    let mut seen = to(other, call(1));
    seen["expected_version"] = json!(0);
    let refused = batch(json!([to(one, call(2)), seen])).await;
    assert_eq!(
        (refused.problem().as_str(), &refused.json()["field"]),
        ("version-conflict", &json!("/commands/1"))
    );
    assert_eq!(world.digest().await, before);
}

#[tokio::test]
async fn batches_over_the_same_aggregates_in_opposite_order_all_succeed() {
    let (world, one, other) = (World::new().await, Uuid::now_v7(), Uuid::now_v7());
    world.command(one, &start()).await;
    world.command(other, &start()).await;
    let tool = json!({ "type": "FailExecution", "error_class": "E", "message": "m" });
    let batch = |ids: [Uuid; 2]| {
        let to = |id: Uuid| json!({ "aggregate": "executions", "id": id, "command": tool });
        let body = json!({ "commands": [to(ids[0]), to(ids[1])] }).to_string();
        answer(world.request(Method::POST, "/v1/batches").body(body))
    };
    let (first, second) = tokio::join!(batch([one, other]), batch([other, one]));
    let problems: Vec<_> =
        [first, second].iter().filter(|it| it.status != StatusCode::OK).map(|it| it.problem()).collect();
    assert!(
        problems.iter().all(|problem| problem == "command-rejected") && problems.len() <= 1,
        "{problems:?}"
    );
    assert_eq!(world.state(one, "").await.version(), 2);
    assert_eq!(world.state(other, "").await.version(), 2);
}

#[tokio::test]
async fn another_tenants_aggregate_answers_like_an_unknown_one() {
    let (world, theirs, nobodys) = (World::new().await, Uuid::now_v7(), Uuid::now_v7());
    world.command(theirs, &start()).await;
    let ask = async |method: Method, id: Uuid, path: &str, body: String| {
        let request = world.bare(method, &format!("/v1/executions/{id}{path}"));
        let request = request.bearer_auth(world.token("globex", Role::Writer)).header("correlation-id", "c");
        let answer = answer(request.header("content-type", "application/json").body(body)).await;
        (answer.status, answer.body)
    };
    for (method, path, body) in
        [(Method::GET, "", String::new()), (Method::POST, "/commands", call(1).to_string())]
    {
        let (theirs, nobodys) =
            (ask(method.clone(), theirs, path, body.clone()).await, ask(method, nobodys, path, body).await);
        assert_eq!(theirs, nobodys);
    }
}

#[tokio::test]
async fn a_reader_reads_and_does_not_command() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    world.command(id, &start()).await;
    let reader = world.token("acme", Role::Reader);
    let shown = answer(world.bare(Method::GET, &format!("/v1/executions/{id}")).bearer_auth(&reader)).await;
    assert_eq!(shown.version(), 1);
    let request = world.bare(Method::POST, &format!("/v1/executions/{id}/commands")).bearer_auth(&reader);
    let refused = answer(request.header("content-type", "application/json").body(call(1).to_string())).await;
    assert_eq!(refused.problem(), "forbidden");
}
