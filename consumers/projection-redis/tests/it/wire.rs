//! The wire to Redis breaks: between two scripts of a flush, or before there is any.

use kafka::conformance::{History, Rig, Sink, Tally, Topic};
use projection_redis::{Place, RedisViews};
use testkit::eventually;

use crate::proxy::Proxy;
use crate::sink::RedisSink;
use crate::topic::{self, BOUND, Member};

/// An owner that reaches Redis by this way.
fn views_by(proxy: &Proxy, sink: &RedisSink) -> RedisViews<Tally> {
    let views = sink.stage.database.url("views_writer").parse().unwrap();
    RedisViews::new(&proxy.config(&sink.stage.config), views, "tester").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_killed_between_two_scripts_of_a_flush_leaves_nothing_that_its_successor_does_not_finish() {
    const ROWS: u128 = 600;
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..ROWS).map(|n| history.started(n, "django")));
    let mut half_done = 0;
    while half_done == 0 {
        let proxy = Proxy::before(&sink.stage.config.url).await;
        let rig = Rig::start(views_by(&proxy, &sink), &topic, &history);
        rig.assign(&[0]).await;
        rig.caught_up(&sink, &[0]).await;
        proxy.cut_flush();
        topic.append(0, (0..ROWS).map(|n| history.called(n, 3)));
        eventually("a flush is cut", BOUND, async || proxy.is_cut()).await;
        drop(rig);
        // None, if Redis had forgotten the script: then it was not run at all.
        half_done = ahead_of_the_offset(&sink, &topic).await;
    }
    let successor = Rig::start(sink.open().await, &topic, &history);
    successor.assign(&[0]).await;
    successor.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, history.rows());
    assert_eq!(successor.metrics().stale.get(), half_done);
    assert!(sink.parked().await.is_empty());
    let (mut places, mut total) = (0, 0);
    let count = |place: Place| (places, total) = (places + 1, total + place.score);
    sink.reader().places(count).await.unwrap();
    let tokens: i64 = history.rows().values().map(|row| row.view.as_ref().unwrap().tokens).sum();
    assert_eq!((places, total), (ROWS, tokens));
}

/// How many events the rows have beyond what the offset says, once Redis has answered all it was asked.
async fn ahead_of_the_offset(sink: &RedisSink, topic: &Topic) -> u64 {
    let applied: u64 = sink.rows().await.values().map(|row| row.version).sum();
    let offset = sink.next_offset(topic.name(), 0).await;
    assert!(offset < topic.end(0), "the flush is not over");
    applied - offset.unsigned_abs()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_away_while_partitions_are_assigned_is_waited_for_and_they_start_in_the_right_place()
{
    let (sink, topic, mut history) =
        (RedisSink::new().await, testkit::topic("tally.events", 3).await, History::default());
    let group = testkit::unique("tally");
    topic::send(&topic, (0..20).map(|n| history.started(n, "django")).collect()).await;
    for sent in [120, 220] {
        topic::send(&topic, (0..100).map(|n| history.called(n % 20, 3)).collect()).await;
        let mut proxy = Proxy::closed(&sink.stage.config.url);
        let member = Member::of(&group, &topic, &history, views_by(&proxy, &sink));
        let metrics = member.metrics.clone();
        eventually("claims fail", BOUND, async || metrics.transient_faults.get() >= 2).await;
        proxy.open();
        topic::applied(&sink, &history).await;
        member.leave().await;
        assert_eq!((metrics.stale.get(), metrics.clients_rebuilt.get()), (0, 0));
        let mut offsets = 0;
        for partition in 0..3 {
            offsets += sink.next_offset(&topic, partition).await;
        }
        assert_eq!(offsets, sent);
        assert!(sink.parked().await.is_empty());
    }
}
