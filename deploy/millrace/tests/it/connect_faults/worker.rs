use std::time::Duration;

use local::{Component, Process};
use nix::sys::signal::Signal;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use reqwest::Method;

use super::proxy::Proxy;
use super::scene::{Fault, Scene};
use crate::harness::{PATIENCE, eventually};

/// How often the worker is killed.
const KILLS: u32 = 5;
/// Thousands of events of one transaction.
const THOUSANDS: i32 = 20;
/// Twice the time after which the group takes a silent worker for dead.
const FROZEN: Duration = Duration::from_secs(12);

pub(super) async fn its_connection_is_half_open(scene: &mut Scene) {
    let port = scene.world.fact("MILLRACE_POSTGRES_PORT");
    let proxy = Proxy::before(format!("127.0.0.1:{port}").parse().unwrap()).await;
    let secrets = scene.world.fact("MILLRACE_CONNECT_SECRETS");
    let (direct, line) = (std::fs::read_to_string(secrets).unwrap(), format!("postgres_port={port}"));
    assert!(direct.contains(&line));
    std::fs::write(secrets, direct.replace(&line, &format!("postgres_port={}", proxy.port))).unwrap();
    restart_all(scene).await;
    eventually("it reads the slot through the proxy", PATIENCE, async || {
        scene.slot_readers_port().await.is_some_and(|port| proxy.has(port))
    })
    .await;
    scene.is_well().await;

    let load = scene.load().await;
    let mut fault = Fault::begins("its connections to Postgres go silent and stay open");
    proxy.cut();
    fault.raises(scene, "slot_stands").await;
    load.ended().await;
    fault.ends(scene).await;
    assert!(scene.guard.log().contains("all parts are started anew"), "{}", scene.guard.log());
    std::fs::write(secrets, direct).unwrap();
    restart_all(scene).await;
    scene.is_well().await;
}

async fn restart_all(scene: &Scene) {
    let restart = scene.world.rest(Method::POST, "restart?includeTasks=true&onlyFailed=false");
    restart.send().await.unwrap().error_for_status().unwrap();
}

pub(super) async fn it_is_killed_again_and_again(scene: &mut Scene) {
    let (before, load) = (scene.duplicates().await, scene.load().await);
    for _ in 1..KILLS {
        events_arrive(scene).await;
        scene.kill(Component::Connect).await;
        scene.start(Component::Connect).await;
    }
    events_arrive(scene).await;
    let mut fault = Fault::begins("Connect is killed (`kill -9`) under load, for the fifth time");
    scene.kill(Component::Connect).await;
    fault.raises(scene, "connect_unreachable").await;
    scene.start(Component::Connect).await;
    fault.is_mended();
    let acknowledged = load.ended().await;
    fault.ends(scene).await;
    scene.world.assert_stored(&acknowledged).await;
    let twice = scene.duplicates().await - before;
    eprintln!("{twice} records more than the {} events that were appended", acknowledged.len());
    assert!(twice > 0, "nothing was on its way when it was killed");
}

async fn events_arrive(scene: &Scene) {
    let before = scene.world.in_topic(&scene.tenant).await;
    eventually("events arrive", PATIENCE, async || scene.world.in_topic(&scene.tenant).await > before + 20)
        .await;
}

pub(super) async fn it_is_frozen(scene: &mut Scene) {
    let load = scene.load().await;
    let mut fault = Fault::begins("Connect is frozen (`SIGSTOP`) for 12 s, twice its session time-out");
    let worker = Process::find(scene.world.pid(Component::Connect).await).unwrap();
    worker.signal(Signal::SIGSTOP);
    fault.raises(scene, "connect_unreachable").await;
    tokio::time::sleep(FROZEN).await;
    worker.signal(Signal::SIGCONT);
    fault.is_mended();
    load.ended().await;
    fault.ends(scene).await;
    let tasks = scene.world.connector().await["state"].clone();
    assert_eq!(tasks, "connector running, task 0 running");
}

pub(super) async fn its_offsets_are_forgotten(scene: &mut Scene) {
    scene.world.program.done(&["connect", "stop"]).await;
    scene.append_some().await;
    let fault = Fault::begins("the connector's offsets are deleted while it is stopped");
    scene.world.program.done(&["connect", "forget-offsets"]).await;
    scene.world.program.done(&["connect", "resume"]).await;
    fault.ends(scene).await;
}

pub(super) async fn its_topic_of_offsets_is_emptied(scene: &mut Scene) {
    scene.kill(Component::Connect).await;
    scene.append_some().await;
    let mut fault = Fault::begins("the topic of Connect's offsets is deleted and made again, empty");
    let admin: AdminClient<DefaultClientContext> = scene.world.env().kafka_client("admin").create().unwrap();
    let deleted = admin.delete_topics(&["_connect_offsets"], &AdminOptions::new()).await.unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    fault.raises(scene, "connect_unreachable").await;
    scene.world.program.done(&["topics", "apply"]).await;
    scene.start(Component::Connect).await;
    fault.is_mended();
    fault.ends(scene).await;
}

pub(super) async fn a_large_transaction_comes(scene: &mut Scene) {
    let fault = Fault::begins("a transaction of 20,000 events");
    scene.world.append_at_once(THOUSANDS, &scene.tenant).await;
    fault.ends(scene).await;
}
