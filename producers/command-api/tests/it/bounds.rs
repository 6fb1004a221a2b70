//! Nothing that a client drags out lasts; nothing that was accepted is cut short.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use http_api::auth::Role;

use crate::fixture::{World, answer, start};

const BOUND: Duration = Duration::from_secs(60);

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.url.trim_start_matches("http://")).await.unwrap()
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

fn head(world: &World, length: usize) -> String {
    format!(
        "POST /v1/executions/{}/commands HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         authorization: Bearer {}\r\ncontent-length: {length}\r\n\r\n",
        Uuid::now_v7(),
        world.token("acme", Role::Writer)
    )
}

/// Waits until a command waits for a lock of the store.
async fn waits(world: &World) {
    testkit::eventually("the command waits for the store", BOUND, async || {
        let waiting = "select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&world.owner).await.unwrap() > 0
    })
    .await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let world = World::with(&["--api-arrival-ms-max", "100"]).await;
    let mut stream = connect(&world).await;
    stream.write_all(head(&world, 100).as_bytes()).await.unwrap();
    stream.write_all(b"{").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("/problems/request-timeout"), "{answer}");
}

#[tokio::test]
async fn headers_that_do_not_end_are_not_waited_for() {
    let world = World::with(&["--api-arrival-ms-max", "100"]).await;
    let mut stream = connect(&world).await;
    stream.write_all(b"GET / HTTP/1.1\r\nx: y").await.unwrap();
    assert_eq!(rest(&mut stream).await, ""); // the connection ends
}

#[tokio::test]
async fn a_tenant_that_asks_too_much_waits_and_others_do_not() {
    let world = World::with(&["--api-rate", "1", "--api-burst", "2"]).await;
    let ask = async |tenant: &str| {
        let path = format!("/v1/executions/{}", Uuid::nil());
        answer(world.bare(Method::GET, &path).bearer_auth(world.token(tenant, Role::Reader))).await
    };
    let mut last = ask("acme").await;
    // However slow, four at once are more than the two and those that a second brings.
    testkit::eventually("it asks too much", BOUND, async || {
        let asked = futures::future::join_all([(); 4].map(|()| ask("acme"))).await;
        let refused = asked.into_iter().find(|it| it.status == StatusCode::TOO_MANY_REQUESTS);
        refused.map(|refused| last = refused).is_some()
    })
    .await;
    assert_eq!(last.problem(), "too-many-requests");
    assert_eq!(last.header("retry-after"), "1");
    assert_eq!(ask("globex").await.problem(), "not-found");
}

#[tokio::test]
async fn a_store_without_a_free_connection_is_told_as_such() {
    let world = World::with(&["--api-requests-max", "1", "--api-answer-ms-max", "2000"]).await;
    let mut owner = world.owner.begin().await.unwrap();
    sqlx::query("lock table event_store in access exclusive mode").execute(&mut *owner).await.unwrap();
    let id = Uuid::now_v7();
    let (body, path) = (start().to_string(), format!("/v1/executions/{id}/commands"));
    let ask = || answer(world.request(Method::POST, &path).body(body.clone()));
    let second = async {
        waits(&world).await;
        ask().await
    };
    let (one, other) = tokio::join!(ask(), second);
    assert_eq!([one.problem(), other.problem()], ["outcome-unknown", "overloaded"]);
    for refused in [one, other] {
        assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    }
    owner.rollback().await.unwrap();
    assert_eq!(ask().await.version(), 1);
}

#[tokio::test]
async fn what_was_accepted_is_finished_before_the_end() {
    let world = World::new().await;
    let mut owner = world.owner.begin().await.unwrap();
    sqlx::query("lock table event_store in access exclusive mode").execute(&mut *owner).await.unwrap();
    let mut stream = connect(&world).await;
    let body = start().to_string();
    stream.write_all(format!("{}{body}", head(&world, body.len())).as_bytes()).await.unwrap();
    waits(&world).await;
    world.stop.cancel();
    assert!(
        TcpStream::connect(world.url.trim_start_matches("http://")).await.is_err()
            || !world.served.is_finished()
    );
    owner.rollback().await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(world.served.await.unwrap(), 0, "no connection had to be cut");
}

#[tokio::test]
async fn pages_of_other_origins_are_not_told_that_they_may_ask() {
    let world = World::with(&["--api-origins", "https://console.example"]).await;
    let preflight = async |origin: &str| {
        let request = world.bare(Method::OPTIONS, "/v1/batches").header("origin", origin);
        answer(request.header("access-control-request-method", "POST")).await
    };
    let allowed = preflight("https://console.example").await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://console.example");
    assert!(!preflight("https://evil.example").await.headers.contains_key("access-control-allow-origin"));
}
