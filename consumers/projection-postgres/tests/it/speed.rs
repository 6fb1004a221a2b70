//! How fast one lane is; prints, and asserts only that it is not absurd.

use std::time::Instant;

use kafka::GroupProtocol;
use kafka::conformance::{History, Rig, Sink, Topic};

use crate::broker::Broker;
use crate::sink::PostgresSink;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lane_keeps_up() {
    const EVENTS: u128 = 20_000;
    const KEYS: u128 = 2_000;
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    for i in 0..EVENTS {
        let record = if i < KEYS { history.started(i, "r") } else { history.called(i % KEYS, 1) };
        topic.append(i32::try_from(i % KEYS % 12).unwrap(), [record]);
    }
    let rig = Rig::start(sink.open().await, &topic, &history);
    let partitions: Vec<i32> = (0..12).collect();
    let started = Instant::now();
    rig.assign(&partitions).await;
    rig.caught_up(&sink, &partitions).await;
    let rate = EVENTS as f64 / started.elapsed().as_secs_f64();
    let (flushes, seconds) = (rig.metrics().flushes.get(), rig.metrics().flush_seconds.get_sample_sum());
    println!(
        "one lane: {rate:.0} events/s, {flushes} flushes, {:.1} ms each",
        seconds * 1e3 / flushes as f64
    );
    assert_eq!(sink.rows().await, history.rows());
    assert!(rate > 1_000.0, "{rate} events/s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_on_the_broker_is_worked_off() {
    const EVENTS: u128 = 20_000;
    const KEYS: u128 = 1_000;
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(12).await, History::default());
    for round in 0..EVENTS / KEYS {
        let made: Vec<_> = (0..KEYS)
            .map(|n| if round == 0 { history.started(n, "r") } else { history.called(n, 1) })
            .collect();
        broker.send(made).await;
    }
    let started = Instant::now();
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    member.owns(|count| count == 12).await;
    let owned = started.elapsed();
    testkit::eventually("all is applied", crate::broker::BOUND, async || {
        member.metrics.applied.get() == u64::try_from(EVENTS).unwrap()
    })
    .await;
    let rate = EVENTS as f64 / (started.elapsed() - owned).as_secs_f64();
    println!("from the broker: owned after {owned:?}, then {rate:.0} events/s");
    broker.applied(&sink, &history).await;
    member.leave().await;
}
