//! How fast one lane is; prints, and asserts only that it is not absurd.

use std::time::Instant;

use kafka::conformance::{History, Rig, Sink, Topic};

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
    println!("one lane: {rate:.0} events/s, {flushes} flushes, {:.1} ms each", seconds * 1e3 / flushes as f64);
    assert_eq!(sink.rows().await, history.rows());
    assert!(rate > 1_000.0, "{rate} events/s");
}
