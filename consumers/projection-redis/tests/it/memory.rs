//! A Redis that has no memory left refuses what would write, before it has written any of it.

use kafka::conformance::{DONE_TOKENS, History, Rig, Sink, Topic};
use kafka::{Tenure, ViewStore};
use local::{Component, RedisTopology};
use projection_redis::RedisConfig;
use testkit::eventually;

use crate::servers::*;
use crate::sink::RedisSink;

const BOUND: std::time::Duration = std::time::Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_memory_is_waited_for_and_nothing_parks() {
    let own = servers("full", RedisTopology::Single).await;
    let mut sink = RedisSink::new().await;
    let config = RedisConfig::new(own.fact("MILLRACE_REDIS_URL"));
    sink.stage.config = RedisConfig { namespace: sink.stage.config.namespace, ..config };
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..8).map(|n| history.started(n, "django")));
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;

    let allow = async |bytes: u64| {
        let command = format!("CONFIG SET maxmemory {bytes}");
        let _: String = ask(&own, Component::Redis, &command).await.unwrap();
    };
    let mut fresh = 8..;
    for round in 1..=3 {
        // Now before the first write, now wherever in the load the memory ends.
        let used: String = ask(&own, Component::Redis, "INFO memory").await.unwrap();
        let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().to_owned();
        allow(if round == 1 { 1 } else { used.parse::<u64>().unwrap() + 200_000 }).await;
        let faults = rig.metrics().transient_faults.get();
        eventually("it has no memory left", BOUND, async || {
            topic.append(0, (0..8).map(|n| history.called(n, 3)));
            topic.append(0, (&mut fresh).take(40).map(|n| history.started(n, "django")).collect::<Vec<_>>());
            rig.metrics().transient_faults.get() >= faults + 2
        })
        .await;
        let why = rig.behind().judge().unwrap_err();
        assert!(why.starts_with("the sink has not answered as it should for "), "{why}");
        allow(0).await;
        rig.caught_up(&sink, &[0]).await;
        assert_eq!(rig.behind().judge(), Ok(()));
        assert_eq!(sink.rows().await, history.rows());
    }
    assert_eq!(sink.parked().await, []);

    // What is finished can still go.
    topic.append(0, [history.called(0, DONE_TOKENS)]);
    rig.caught_up(&sink, &[0]).await;
    drop(rig);
    let mut next = sink.open().await.with_finished_ttl(Some(BOUND));
    let claims = next.claim(topic.name(), &[0]).await.unwrap();
    allow(1).await;
    let tenure = Tenure { partition: 0, epoch: claims[0].epoch };
    assert!(next.inspect(topic.name(), &[tenure]).await.unwrap().is_empty());
    assert!(sink.rows().await[&History::row(0)].is_expired);
}
