//! An append-only file of a while ago comes back under an owner: what it lacks is read again.

use std::path::Path;

use kafka::conformance::{History, Rig, Sink, Topic};
use local::{Component, RaiseArgs, RedisTopology};
use projection_redis::RedisConfig;
use testkit::eventually;

use crate::servers::*;
use crate::sink::RedisSink;

const BOUND: std::time::Duration = std::time::Duration::from_secs(60);

/// The executions of a partition.
fn of(partition: i32) -> impl Iterator<Item = u128> {
    let first = 8 * u128::from(partition.unsigned_abs());
    first..first + 8
}

/// Puts a copy of a folder's files in the place of another folder's.
fn copy(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).ok();
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_only_file_of_a_while_ago_comes_back_under_load_and_what_it_lacks_is_read_again() {
    let own = servers("older", RedisTopology::Single).await;
    let mut sink = RedisSink::new().await;
    let config = RedisConfig::new(own.fact("MILLRACE_REDIS_URL"));
    sink.stage.config = RedisConfig { namespace: sink.stage.config.namespace, ..config };
    let files = own.stack.folder(Component::Redis).join("appendonlydir");
    let older = own.stack.folder(Component::Redis).join("older");
    let (topic, mut history) = (Topic::default(), History::default());
    let partitions = [0, 1, 2];
    for partition in partitions {
        topic.append(partition, of(partition).map(|n| history.started(n, "django")));
    }
    let load = |history: &mut History| {
        for _ in 0..40 {
            for partition in partitions {
                topic.append(partition, of(partition).map(|n| history.called(n, 3)));
            }
        }
    };
    let records = || partitions.map(|partition| topic.end(partition).unsigned_abs()).iter().sum::<u64>();
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&partitions).await;
    rig.caught_up(&sink, &partitions).await;
    eventually("all of that is in the file", BOUND, async || {
        let said: String = ask(&own, Component::Redis, "INFO persistence").await.unwrap();
        said.contains("aof_buffer_length:0\r")
    })
    .await;
    copy(&files, &older);
    let kept = records();

    // Each commit is counted before the next, and before trouble with it.
    let (applied, faults) = (&rig.metrics().applied, &rig.metrics().transient_faults);
    let has_counted = async |records| {
        eventually("so many are counted as applied", BOUND, async || applied.get() == records).await;
    };
    has_counted(kept).await;
    // The second time it is also of before the owner's last claim.
    for _ in 0..2 {
        let (before, met) = (applied.get(), faults.get());
        load(&mut history);
        eventually("some of it is applied", BOUND, async || applied.get() > before).await;
        own.kill(Component::Redis).await;
        eventually("that is noticed", BOUND, async || faults.get() > met).await;
        let until_then = applied.get();
        copy(&older, &files);
        load(&mut history);
        own.start(&[Component::Redis], &RaiseArgs::default()).await;
        rig.caught_up(&sink, &partitions).await;
        assert_eq!(sink.rows().await, history.rows());
        has_counted(until_then + records() - kept).await;
        assert_eq!(rig.metrics().stale.get(), 0, "nothing of what it has is read again");
        assert_eq!(sink.parked().await, []);
    }
}
