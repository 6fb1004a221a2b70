//! What cannot be applied waits, is seen, and is dealt with by a person; everything else flows.

use events::{DomainEvent, ExecutionEvent};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;

use crate::harness::{Agent, PATIENCE, Role, Runs, World, eventually, new_event_id, tenant, unique};

const PROJECTIONS: [&str; 2] = ["executions-postgres", "executions-redis"];
const GARBAGE: &[u8] = b"\x00\x00\x00\x00\x2athis is no event";

/// What `millrace parked list` says of a key.
async fn parked(world: &World, projection: &str, key: &str) -> Option<Value> {
    let listed = world.program.done(&["parked", "list", projection, "--json", "--limit", "1000"]).await;
    let keys = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    keys.into_iter().find(|parked| parked["key"] == key)
}

async fn until_free(world: &World, key: &str) {
    for projection in PROJECTIONS {
        let is_free = async || parked(world, projection, key).await.is_none();
        eventually(&format!("{key} is free in {projection}"), PATIENCE, is_free).await;
    }
}

/// Sends bytes as nobody but an administrator could; answers where they lie.
async fn send(world: &World, key: &str, payload: &[u8]) -> (i32, i64) {
    let mut client = world.env().kafka_client("admin");
    let producer: FutureProducer = client.set("partitioner", "murmur2_random").create().unwrap();
    let headers = OwnedHeaders::new()
        .insert(Header { key: "origin", value: Some("a drill") })
        .insert(Header::<&str> { key: "empty", value: None });
    let record = FutureRecord::to(ExecutionEvent::TOPIC).key(key).payload(payload).headers(headers);
    let delivery = producer.send(record, PATIENCE).await.unwrap();
    (delivery.partition, delivery.offset)
}

#[tokio::test]
async fn an_undecodable_record_parks_is_copied_named_by_verify_and_discarded_with_a_reason() {
    let (world, tenant, key) = (World::shared(), tenant("poison"), unique("garbage"));
    let (projector, relay) = (Role::projector(&world).await, Role::relay(&world));
    let (partition, offset) = send(&world, &key, GARBAGE).await;
    world.import(&Runs::sample(3), &tenant).await;
    world.drained(&tenant).await;

    for projection in PROJECTIONS {
        let mut found = None;
        eventually("the key is parked", PATIENCE, async || {
            found = parked(&world, projection, &key).await;
            found.is_some()
        })
        .await;
        let found = found.unwrap();
        assert_eq!((&found["reason"], &found["records"]), (&"undecodable".into(), &1.into()), "{found}");
        assert_eq!((&found["partition"], &found["first_offset"]), (&partition.into(), &offset.into()));
        is_copied(&world, projection, &key, partition, offset).await;
    }

    let (ran, report) = world.verify().await;
    assert_eq!((ran.code, &report["verdict"]), (1, &"refuted".into()), "{report:#}");
    let [only] = report["findings"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert_eq!((&only["stage"], &only["kind"]), (&"topic".into(), &"foreign".into()), "{only}");
    assert_eq!((&only["partition"], &only["offset"]), (&partition.into(), &offset.into()), "{only}");

    for projection in PROJECTIONS {
        let reason = format!("sent in a drill to {key}");
        let discard = ["parked", "discard", projection, &key, "--all", "--foreign", "--reason", &reason];
        world.program.done(&discard).await;
    }
    until_free(&world, &key).await;
    world.assert_proved().await;
    let (_, report) = world.verify().await;
    let explained = report["explained"].as_array().unwrap();
    let told = |it: &&Value| it["reason"].as_str().unwrap().contains(&key) && it["decided"] == true;
    assert!(explained.iter().any(|it| told(&it) && it["offset"] == offset), "{report:#}");
    relay.stop().await;
    projector.stop().await;
}

/// The dead-letter topic has the record as it was sent, with its headers, and ours behind them.
async fn is_copied(world: &World, projection: &str, key: &str, partition: i32, offset: i64) {
    let topic = format!("{projection}.dlq");
    let mut copies = Vec::new();
    eventually("the record is copied", PATIENCE, async || {
        copies = world.records(&topic).await;
        copies.retain(|copy| copy.key.as_deref() == Some(key.as_bytes()));
        !copies.is_empty()
    })
    .await;
    let [copy] = copies.as_slice() else { panic!("{copies:?}") };
    assert_eq!(copy.payload.as_deref(), Some(GARBAGE));
    let sent = [("origin", Some(&b"a drill"[..])), ("empty", None)];
    assert!(copy.headers.iter().take(2).eq(sent), "{copy:?}");
    let text = |name: &str| copy.header(name).map(|value| String::from_utf8(value.to_vec()).unwrap());
    assert_eq!(text("deadletter.topic").as_deref(), Some(ExecutionEvent::TOPIC));
    assert_eq!(text("deadletter.partition"), Some(partition.to_string()));
    assert_eq!(text("deadletter.offset"), Some(offset.to_string()));
    assert_eq!(text("deadletter.reason").as_deref(), Some("undecodable"));
}

#[tokio::test]
async fn a_refused_event_parks_its_key_and_a_redrive_keeps_the_order_while_live_events_arrive() {
    let (world, tenant, bad) = (World::shared(), tenant("refused"), new_event_id());
    let told = Role::projector_with(&world, &[("MILLRACE_REFUSE_EVENTS", &bad.to_string())]).await;
    let mut held = Agent::started(&world, &tenant).await;
    held.call(bad).await;
    held.tool(new_event_id()).await;
    held.call(new_event_id()).await;
    let mut other = Agent::started(&world, &tenant).await;
    other.call(new_event_id()).await;
    world.parked_but_drained(3, &tenant).await; // the other key flows

    let key = held.id.to_string();
    for projection in PROJECTIONS {
        let found = parked(&world, projection, &key).await.expect("it is parked");
        assert_eq!((&found["reason"], &found["records"]), (&"told_to_refuse".into(), &3.into()), "{found}");
        assert_eq!(found["tenant"], tenant.as_str());
        let shown = world.program.done(&["parked", "show", projection, &key]).await;
        let lines = |start: &str| -> Vec<String> {
            let lines = shown.lines().filter_map(|line| line.trim().strip_prefix(start));
            lines.map(|line| line.trim().to_owned()).collect()
        };
        assert_eq!(lines("header    aggregateversion:"), ["2", "3", "4"], "{shown}");
        let reasons = lines("reason");
        assert!(reasons[0].starts_with("told_to_refuse") && reasons[0].contains(&bad.to_string()), "{shown}");
        assert!(reasons[1..].iter().all(|reason| reason.starts_with("behind")), "{shown}");
    }
    let (ran, report) = world.verify().await;
    assert_eq!((ran.code, &report["verdict"]), (0, &"proved".into()), "what waits is explained: {report:#}");
    let explained = report["explained"].as_array().unwrap();
    let waits = |it: &&Value| it["aggregate_id"] == key && it["decided"] == false;
    assert_eq!(explained.iter().filter(waits).count(), 6, "{report:#}");

    told.stop().await;
    let projector = Role::projector(&world).await;
    let arrive = async {
        for _ in 0..20 {
            held.call(new_event_id()).await;
            held.tool(new_event_id()).await;
        }
    };
    let redrive = async {
        for projection in PROJECTIONS {
            world.program.done(&["parked", "redrive", projection, &key]).await;
        }
    };
    tokio::join!(arrive, redrive);
    until_free(&world, &key).await;
    world.drained(&tenant).await;
    projector.stop().await;
    world.assert_proved().await;
}

#[tokio::test]
async fn a_key_that_is_not_parked_is_not_found() {
    let (world, key) = (World::shared(), unique("nothing"));
    let redriven = world.program.run(&["parked", "redrive", PROJECTIONS[0], &key]).await;
    assert_eq!(redriven.code, 4, "{redriven:?}");
    assert!(redriven.stderr.contains(&key), "{redriven:?}");
    let discarded = world.program.run(&["parked", "discard", PROJECTIONS[1], &key, "--reason", "none"]).await;
    assert_eq!(discarded.code, 4, "{discarded:?}");
    let shown = world.program.run(&["parked", "show", PROJECTIONS[0], &key]).await;
    assert_eq!(shown.code, 4, "{shown:?}");
    let unreasoned = world.program.run(&["parked", "discard", PROJECTIONS[1], &key]).await;
    assert_eq!(unreasoned.code, 2, "a discard without a reason: {unreasoned:?}");
}
