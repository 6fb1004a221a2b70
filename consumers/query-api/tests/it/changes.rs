//! Streams of what changes.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{World, Written, answer};

const PATH: &str = "/v1/views/executions/changes";
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream as a client reads it that passes over what it knows: the same may be told twice.
struct Stream {
    response: Response,
    unread: String,
    known: HashSet<(u128, u64)>,
}

/// One event, or what is no event: then it has no name.
#[derive(Debug, Default, PartialEq)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Stream {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, unread: String::new(), known: HashSet::new() }
    }

    /// Of tenant acme, from where it begins, and where that is.
    async fn fresh(world: &World) -> (Self, String) {
        let mut stream = Self::of(world.request("acme", PATH)).await;
        let begin = stream.next().await;
        assert_eq!((begin.name.as_str(), &begin.data), ("begin", &json!({})));
        (stream, begin.id.unwrap())
    }

    /// Of tenant acme, after a place.
    async fn after(world: &World, id: &str) -> Self {
        Self::of(world.request("acme", PATH).header("last-event-id", id)).await
    }

    async fn next(&mut self) -> Event {
        self.next_or_end().await.expect("the stream goes on")
    }

    /// The next event; `None` at the end.
    async fn next_or_end(&mut self) -> Option<Event> {
        loop {
            if let Some((text, rest)) = self.unread.split_once("\n\n") {
                let mut event = Event::default();
                for line in text.lines() {
                    match line.split_once(':').unwrap() {
                        ("event", name) => event.name = name.trim().to_owned(),
                        ("id", id) => event.id = Some(id.trim().to_owned()),
                        ("data", data) => event.data = serde_json::from_str(data).unwrap(),
                        _ => {}
                    }
                }
                self.unread = rest.to_owned();
                if event.data["version"].is_null() || self.known.insert((id(&event), version(&event))) {
                    return Some(event);
                }
                continue;
            }
            let chunk =
                tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("in time").unwrap()?;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next row's id and version.
    async fn row(&mut self) -> (u128, u64) {
        let event = self.next().await;
        assert_eq!(event.name, "row", "{event:?}");
        assert_eq!(event.data["row"]["version"], event.data["version"]);
        assert_eq!(event.data["row"]["aggregate_id"], event.data["id"]);
        (id(&event), version(&event))
    }
}

fn id(event: &Event) -> u128 {
    event.data["id"].as_str().unwrap().parse::<Uuid>().unwrap().as_u128()
}

fn version(event: &Event) -> u64 {
    event.data["version"].as_u64().unwrap()
}

fn row(n: u128, version: i64) -> Written {
    Written {
        id: Uuid::from_u128(n),
        version,
        status: "running",
        repository: "r".to_owned(),
        ..Written::default()
    }
}

/// With a feed that has begun.
async fn world() -> World {
    let world = World::new().await;
    mark(&world).await;
    world
}

async fn mark(world: &World) {
    let sql = "insert into projection_change (projection) values ('executions-postgres')";
    sqlx::query(sql).execute(&world.writer).await.unwrap();
}

#[tokio::test]
async fn every_change_is_told_in_order_and_whoever_comes_back_misses_nothing() {
    let world = world().await;
    world.change("acme", &[row(1, 1)]).await;
    let (mut stream, begun) = Stream::fresh(&world).await;
    world.change("acme", &[row(1, 2), row(2, 1)]).await;
    assert_eq!(stream.row().await, (1, 2));
    let last = stream.next().await;
    assert_eq!((id(&last), version(&last)), (2, 1));
    world.change("acme", &[Written { is_deleted: true, ..row(1, 3) }]).await;
    let deleted = stream.next().await;
    assert_eq!((deleted.name.as_str(), id(&deleted)), ("deleted", 1));
    assert_eq!(deleted.data, json!({ "id": Uuid::from_u128(1), "version": 3 }));
    drop(stream);

    // While nobody is there.
    world.change("acme", &[row(2, 2)]).await;
    world.change("acme", &[row(3, 1)]).await;
    let mut resumed = Stream::after(&world, &last.id.unwrap()).await;
    assert_eq!(id(&resumed.next().await), 1);
    assert_eq!(resumed.row().await, (2, 2));
    assert_eq!(resumed.row().await, (3, 1));
    world.change("acme", &[row(3, 2)]).await;
    assert_eq!(resumed.row().await, (3, 2), "and it goes on");

    // From the first place on each row is told as it is by now, and a parameter is as good as the header.
    let mut again = Stream::of(world.request("acme", &format!("{PATH}?last_event_id={begun}"))).await;
    assert_eq!(again.next().await.name, "deleted");
    assert_eq!(again.row().await, (2, 2));
    assert_eq!(again.row().await, (3, 2));
}

#[tokio::test]
async fn a_client_that_opens_the_stream_and_then_reads_a_page_misses_nothing() {
    let world = world().await;
    // A change that began before the stream, and is committed after it.
    let mut slow = world.writer.begin().await.unwrap();
    sqlx::query("insert into projection_change (projection, tenant_id, aggregate_ids) values ('executions-postgres', 'acme', $1)")
        .bind(vec![Uuid::from_u128(7)])
        .execute(&mut *slow)
        .await
        .unwrap();
    world.change("acme", &[row(8, 1)]).await;
    let (mut stream, _) = Stream::fresh(&world).await;
    assert_eq!(world.get("/v1/views/executions").await.rows().len(), 1);
    sqlx::query(include_str!("row.sql"))
        .bind("acme")
        .bind(Uuid::from_u128(7))
        .bind(1_i64)
        .bind(false)
        .bind("running")
        .bind("r")
        .bind(0_i64)
        .bind(None::<&str>)
        .bind(None::<&str>)
        .execute(&mut *slow)
        .await
        .unwrap();
    slow.commit().await.unwrap();
    // The later one was there when the page was read, and may be told too.
    let mut told = vec![stream.row().await, stream.row().await];
    told.sort_unstable();
    assert_eq!(told, [(7, 1), (8, 1)]);
}

#[tokio::test]
async fn a_place_that_the_feed_does_not_have_any_more_is_a_reset() {
    let world = world().await;
    world.change("acme", &[row(1, 1)]).await;
    let (_, old) = Stream::fresh(&world).await;
    world.change("acme", &[row(1, 2)]).await;
    mark(&world).await;
    sqlx::query("delete from projection_change where id <= $1::text::bigint")
        .bind(&old)
        .execute(&world.writer)
        .await
        .unwrap();
    for id in [old.as_str(), "1", "999999999999"] {
        let mut stream = Stream::after(&world, id).await;
        let reset = stream.next().await;
        assert_eq!(reset.name, "reset", "{id}");
        assert!(reset.data["reason"].as_str().unwrap().contains("no longer"), "{reset:?}");
        // Its place is one to go on from.
        world.change("acme", &[row(2, 1)]).await;
        assert_eq!(stream.row().await.0, 2);
        assert_eq!(Stream::after(&world, &reset.id.unwrap()).await.row().await.0, 2);
    }
    for id in ["x", "1.5", "-"] {
        let refused = answer(world.request("acme", PATH).header("last-event-id", id)).await;
        assert_eq!(refused.problem(), ("invalid-parameter".to_owned(), Some("last_event_id".to_owned())));
    }
}

#[tokio::test]
async fn another_tenants_changes_are_not_seen_and_its_places_are_none() {
    let world = world().await;
    let (mut acme, _) = Stream::fresh(&world).await;
    let mut globex = Stream::of(world.request("globex", PATH)).await;
    assert_eq!(globex.next().await.name, "begin");
    world.change("globex", &[row(1, 1)]).await;
    world.change("acme", &[row(2, 1)]).await;
    assert_eq!(acme.row().await, (2, 1));
    let theirs = globex.next().await;
    assert_eq!(id(&theirs), 1);
    let mut foreign = Stream::after(&world, &theirs.id.unwrap()).await;
    assert_eq!(foreign.next().await.name, "reset");
    world.change("globex", &[row(1, 2)]).await;
    world.change("acme", &[row(2, 2)]).await;
    assert_eq!((acme.row().await, foreign.row().await), ((2, 2), (2, 2)));
    assert_eq!(globex.row().await, (1, 2));
}

#[tokio::test]
async fn one_aggregate_is_followed_alone() {
    let world = world().await;
    let one = Uuid::from_u128(1);
    let mut stream = Stream::of(world.request("acme", &format!("{PATH}?id={one}"))).await;
    assert_eq!(stream.next().await.name, "begin");
    for version in 1..=3 {
        world.change("acme", &[row(1, version), row(2, version)]).await;
        world.change("acme", &[row(2, version)]).await;
    }
    // The row as it is by then, which may be newer.
    let mut seen = 0;
    while seen < 3 {
        let (n, version) = stream.row().await;
        assert!(n == 1 && version >= seen, "{n} {version}");
        seen = version;
    }
    let refused = world.get(&format!("{PATH}?id=7")).await;
    assert_eq!(refused.problem(), ("invalid-parameter".to_owned(), Some("id".to_owned())));
}

#[tokio::test]
async fn many_rows_of_one_flush_have_one_place_and_come_again_from_the_one_before() {
    let world = world().await;
    let (mut stream, begun) = Stream::fresh(&world).await;
    let rows: Vec<Written> = (1..=250).map(|n| row(n, 1)).collect();
    world.change("acme", &rows).await;
    let mut places = vec![];
    let mut told = vec![];
    for _ in 0..250 {
        let event = stream.next().await;
        told.push(id(&event));
        places.extend(event.id);
    }
    told.sort_unstable();
    assert_eq!(told, (1..=250).collect::<Vec<_>>());
    assert_eq!(places.len(), 1, "the last event alone says it");
    // Whoever saw a part of them has the place before.
    let mut again = Stream::after(&world, &begun).await;
    for _ in 0..250 {
        again.row().await;
    }
    let last = Stream::after(&world, &places[0]).await;
    world.change("acme", &[row(9, 2)]).await;
    let mut last = last;
    assert_eq!(last.row().await, (9, 2));
}

#[tokio::test]
async fn a_view_that_was_rebuilt_is_a_reset_for_everybody() {
    let world = world().await;
    let (mut stream, begun) = Stream::fresh(&world).await;
    sqlx::query("insert into projection_change (projection, reset) values ('executions-postgres', 'the view was rebuilt')")
        .execute(&world.writer)
        .await
        .unwrap();
    for stream in [&mut stream, &mut Stream::after(&world, &begun).await] {
        let reset = stream.next().await;
        assert_eq!(
            (reset.name.as_str(), &reset.data),
            ("reset", &json!({ "reason": "the view was rebuilt" }))
        );
        assert!(reset.id.is_some());
    }
    world.change("acme", &[row(1, 1)]).await;
    assert_eq!(stream.row().await, (1, 1));
}

#[tokio::test]
async fn what_has_no_feed_says_so() {
    let world = World::new().await;
    let off = world.get(PATH).await;
    assert_eq!((off.status, off.problem().0.as_str()), (StatusCode::NOT_FOUND, "not-found"));
    assert!(off.json()["detail"].as_str().unwrap().contains("no feed"), "{off:?}");
    let totals = world.get("/v1/views/totals/changes").await;
    assert!(totals.json()["detail"].as_str().unwrap().contains("totals have no feed"), "{totals:?}");
    assert_eq!(world.get("/v1/views/nothing/changes").await.problem().0, "not-found");
    assert_eq!(answer(world.bare(PATH)).await.status, StatusCode::UNAUTHORIZED);
    let unknown = world.get(&format!("{PATH}?status=running")).await;
    assert_eq!(unknown.problem(), ("invalid-parameter".to_owned(), Some("status".to_owned())));
}

#[tokio::test]
async fn there_is_room_for_so_many_streams_of_a_tenant_and_in_all() {
    let world = World::with(&["--query-streams-max", "3", "--query-tenant-streams-max", "2"]).await;
    mark(&world).await;
    let (first, _) = Stream::fresh(&world).await;
    let _second = Stream::fresh(&world).await;
    let refused = world.get(PATH).await;
    assert_eq!(
        (refused.status, refused.problem().0.as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "too-many-requests")
    );
    assert!(refused.header("retry-after").is_some());
    let _third = Stream::of(world.request("globex", PATH)).await;
    let refused = answer(world.request("initech", PATH)).await;
    assert_eq!(
        (refused.status, refused.problem().0.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "overloaded")
    );
    // Whoever leaves makes room.
    drop(first);
    testkit::eventually("there is room again", PATIENCE, async || {
        world.request("acme", PATH).send().await.unwrap().status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_its_server_and_survives_its_database_connections() {
    let world = world().await;
    let (mut stream, _) = Stream::fresh(&world).await;
    let superuser = sqlx::PgPool::connect(&world.database.url("postgres")).await.unwrap();
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'dashboard'")
        .execute(&superuser)
        .await
        .unwrap();
    world.change("acme", &[row(1, 1)]).await;
    assert_eq!(stream.row().await, (1, 1));
    world.stop.cancel();
    assert_eq!(stream.next_or_end().await, None);
}
