use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::fixture::{World, Written};

const ID: &str = "00000000-0000-0000-0000-000000000007";
const PATIENCE: Duration = Duration::from_secs(60);

/// An API whose reads may wait as long as a test does.
async fn patient() -> World {
    World::with(&["--query-wait-ms-max", "60000"]).await
}

fn row(version: i64) -> Written {
    Written {
        id: Uuid::from_u128(7),
        version,
        status: "running",
        repository: "r".to_owned(),
        ..Written::default()
    }
}

/// Says of a partition that everything up to a moment is applied.
async fn report(world: &World, partition: i32, next_offset: i64, current_at: Option<&str>) {
    sqlx::query(
        "insert into projection_status (projection, topic, partition, epoch, next_offset, end_offset, current_at, parked_keys, is_stopped) \
         values ('executions-postgres', 't', $1, 1, $2, $2, $3::timestamptz, 0, false) \
         on conflict (projection, topic, partition) do update set current_at = excluded.current_at",
    )
    .bind(partition)
    .bind(next_offset)
    .bind(current_at)
    .execute(&world.writer)
    .await
    .unwrap();
}

#[tokio::test]
async fn every_answer_says_of_when_it_is_by_the_partition_that_is_furthest_behind() {
    let world = World::new().await;
    world.write("acme", &row(3)).await;
    let paths = [
        "/v1/views/executions".to_owned(),
        "/v1/views/totals".to_owned(),
        format!("/v1/views/executions/{ID}"),
    ];
    for path in &paths {
        let answer = world.get(path).await;
        let unknown = answer.json();
        assert!(unknown["as_of"].is_null() && unknown["lag_seconds"].is_null(), "{unknown}");
        assert_eq!(
            (unknown["position"].to_string(), answer.header("millrace-as-of")),
            ("{}".to_owned(), None)
        );
    }
    report(&world, 0, 17, Some("2026-11-21T03:00:00Z")).await;
    let position = async || world.get(&paths[0]).await.json()["position"].clone();
    let is_seen = async || position().await == serde_json::json!({ "0": 17 });
    testkit::eventually("it is seen", PATIENCE, is_seen).await;
    assert!(world.get(&paths[0]).await.json()["as_of"].is_null(), "nobody has spoken of partition 1");
    report(&world, 1, 4, Some("2026-11-21T03:00:09Z")).await;
    let told = async |path: &str| {
        let answer = world.get(path).await;
        (answer.json()["as_of"].as_str().map(str::to_owned), answer)
    };
    testkit::eventually("it is seen", PATIENCE, async || told(&paths[0]).await.0.is_some()).await;
    for path in &paths {
        let (as_of, answer) = told(path).await;
        assert_eq!(as_of.as_deref(), Some("2026-11-21T03:00:00.000000Z"), "{path}");
        assert_eq!(answer.header("millrace-as-of"), as_of.as_deref());
        let body = answer.json();
        assert_eq!(body["position"], serde_json::json!({ "0": 17, "1": 4 }));
        assert!(body["lag_seconds"].as_f64().unwrap() > 60.0, "{body}");
    }
    // A partition that never was current makes the whole view of no known moment.
    report(&world, 2, 0, None).await;
    testkit::eventually("it is seen", PATIENCE, async || told(&paths[0]).await.0.is_none()).await;
}

#[tokio::test]
async fn a_read_with_a_token_waits_for_it_or_says_that_it_is_stale() {
    let world = patient().await;
    world.write("acme", &row(3)).await;
    let paths = [
        format!("/v1/views/executions/{ID}?token=acme/{ID}/"),
        format!("/v1/views/executions?token=acme/{ID}/"),
        format!("/v1/views/totals?token=acme/{ID}/"),
    ];
    for path in &paths {
        let known = world.get(&format!("{path}3&wait_ms=0")).await;
        assert_eq!((&known.json()["stale"], known.header("millrace-stale")), (&false.into(), None), "{path}");
        let asked = Instant::now();
        let late = world.get(&format!("{path}4&wait_ms=150")).await;
        assert!(asked.elapsed() >= Duration::from_millis(150), "{path}");
        assert_eq!(
            (&late.json()["stale"], late.header("millrace-stale")),
            (&true.into(), Some("true")),
            "{path}"
        );
    }
    for (path, version) in paths.iter().zip(4..) {
        let write = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            world.write("acme", &row(version)).await;
        };
        let asked = format!("{path}{version}&wait_ms=60000");
        let (waited, ()) = tokio::join!(world.get(&asked), write);
        assert_eq!(waited.json()["stale"], false, "{path}");
    }
}

#[tokio::test]
async fn a_row_that_is_not_there_yet_is_told_from_one_that_is_gone() {
    let world = World::new().await;
    let asked = format!("/v1/views/executions/{ID}?token=acme/{ID}/2&wait_ms=0");
    assert_eq!(world.get(&asked).await.json()["stale"], true);
    world.write("acme", &Written { is_deleted: true, ..row(2) }).await;
    assert_eq!(world.get(&asked).await.json()["stale"], false);
    let other = Uuid::from_u128(8);
    let foreign = world.get(&format!("/v1/views/executions/{ID}?token=acme/{other}/2")).await;
    assert_eq!(foreign.problem(), ("invalid-parameter".to_owned(), Some("token".to_owned())));
}

#[tokio::test]
async fn reads_that_wait_keep_nobody_else_from_being_answered() {
    let world = patient().await;
    world.write("acme", &row(3)).await;
    let waiting = format!("/v1/views/executions/{ID}?token=acme/{ID}/9&wait_ms=60000");
    let answered = AtomicUsize::new(0);
    let wait = async || {
        let answer = world.get(&waiting).await;
        answered.fetch_add(1, Ordering::Relaxed);
        answer
    };
    // More than are served at the same time.
    let all = (0..80).map(|_| wait());
    let others = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        for _ in 0..20 {
            assert!(world.get(&format!("/v1/views/executions/{ID}")).await.status.is_success());
        }
        assert_eq!(answered.load(Ordering::Relaxed), 0);
        world.write("acme", &row(9)).await;
    };
    let (waited, ()) = tokio::join!(futures::future::join_all(all), others);
    assert!(waited.iter().all(|answer| answer.json()["stale"] == false));
}
