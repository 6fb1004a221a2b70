//! A primary with a replica, and nobody who watches them: whoever promotes the replica is followed.

use kafka::conformance::{History, Rig, Sink, Topic};
use kafka::{Classify, Fault, ViewStore};
use local::{Component, RedisTopology};
use projection_redis::RedisConfig;
use testkit::{OwnStack, eventually};

use crate::servers::*;
use crate::sink::RedisSink;
use crate::stage::TOPIC;

const BOUND: std::time::Duration = std::time::Duration::from_secs(60);

/// The executions of a partition.
fn of(partition: i32) -> impl Iterator<Item = u128> {
    let first = 8 * u128::from(partition.unsigned_abs());
    first..first + 8
}

/// A sink that knows both.
async fn pair() -> (OwnStack, RedisSink) {
    let own = servers("pair", RedisTopology::Replica).await;
    let mut sink = RedisSink::new().await;
    let config = RedisConfig::new(own.fact("MILLRACE_REDIS_URL"));
    sink.stage.config = RedisConfig { namespace: sink.stage.config.namespace, ..config };
    (own, sink)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lags_takes_over_under_load_and_what_it_lacks_is_read_again() {
    let (own, sink) = pair().await;
    let (topic, mut history) = (Topic::default(), History::default());
    for partition in 0..3 {
        topic.append(partition, of(partition).map(|n| history.started(n, "django")));
    }
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0, 1, 2]).await;
    rig.caught_up(&sink, &[0, 1, 2]).await;

    let stands_at_8 = async || {
        let mut stands = true;
        for partition in 0..3 {
            let place = format!("HGET {} next_offset", sink.stage.key(partition, "offset"));
            let at: Option<i64> = ask(&own, Component::Redis2, &place).await.unwrap();
            stands &= at == Some(8);
        }
        stands
    };
    eventually("the replica has that", BOUND, stands_at_8).await;

    // From here on it gets nothing more.
    let _: String = ask(&own, Component::Redis2, "CONFIG SET masterauth another").await.unwrap();
    let _: u64 = ask(&own, Component::Redis2, "CLIENT KILL TYPE master").await.unwrap();
    let load = |history: &mut History| {
        for _ in 0..20 {
            for partition in 0..3 {
                topic.append(partition, of(partition).map(|n| history.called(n, 3)));
            }
        }
    };
    load(&mut history);
    let applied = async || rig.metrics().applied.get() > 24 + 100;
    eventually("the primary has more than the replica", BOUND, applied).await;
    own.kill(Component::Redis).await;
    load(&mut history);
    for partition in 0..3 {
        let place = format!("HGET {} next_offset", sink.stage.key(partition, "offset"));
        assert_eq!(
            ask::<i64>(&own, Component::Redis2, &place).await.unwrap(),
            8,
            "it stands where it was cut off"
        );
    }
    let _: String = ask(&own, Component::Redis2, "REPLICAOF NO ONE").await.unwrap();
    rig.caught_up(&sink, &[0, 1, 2]).await;
    assert_eq!(sink.rows().await, history.rows());
    assert_eq!(sink.parked().await, []);
}

#[tokio::test]
async fn two_primaries_or_none_are_named_and_waited_for() {
    let (own, sink) = pair().await;
    let mut store = sink.open().await;
    let _: String = ask(&own, Component::Redis2, "REPLICAOF NO ONE").await.unwrap();
    let error = store.claim(TOPIC, &[0]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient);
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.contains("two servers are primaries"), "{said}");

    own.kill(Component::Redis).await;
    let _: String = ask(&own, Component::Redis2, "REPLICAOF 127.0.0.1 1").await.unwrap();
    let error = store.claim(TOPIC, &[0]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient);
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.contains("none of the servers that answer is a primary"), "{said}");

    let _: String = ask(&own, Component::Redis2, "REPLICAOF NO ONE").await.unwrap();
    assert_eq!(store.claim(TOPIC, &[0]).await.unwrap().len(), 1);
}
