//! A Redis that lost its memory is filled again by the lane, without anybody's help.

use std::time::Duration;

use kafka::conformance::{History, Rig, Sink, Topic};
use projection_redis::RedisViews;
use testkit::{PostgresProxy, eventually};

use crate::sink::RedisSink;

const BOUND: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_redis_is_filled_again_though_nothing_new_comes() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..8).map(|n| history.started(n, "django")));
    topic.append(0, (0..80).map(|n| history.called(n % 8, 3)));
    topic.append(1, (8..12).map(|n| history.started(n, "sympy")));
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0, 1]).await;
    rig.caught_up(&sink, &[0, 1]).await;
    for _ in 0..2 {
        sink.stage.wipe().await;
        eventually("the rows are back", BOUND, async || sink.rows().await == history.rows()).await;
        rig.caught_up(&sink, &[0, 1]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_wiped_under_load_ends_as_the_fold_with_its_parked_keys() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..10).map(|n| history.started(n, "django")));
    let before = history.rows()[&History::row(0)].clone();
    topic.append(0, [history.called(0, -1), history.called(0, 2)]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    for round in 0..10i64 {
        let applied = rig.metrics().applied.get();
        topic.append(0, (0..200).map(|n| history.called(1 + n % 9, round)));
        eventually("some of it is applied", BOUND, async || rig.metrics().applied.get() > applied).await;
        sink.stage.wipe().await;
    }
    rig.caught_up(&sink, &[0]).await;
    let parked: Vec<_> =
        sink.parked().await.into_iter().map(|parked| (parked.reason, parked.offsets)).collect();
    assert_eq!(parked, [("refused".to_owned(), vec![10, 11])], "nothing that was lost parked a key");
    // The refused event is no part of what can be folded.
    let mut expected = sink.rows().await;
    assert_eq!(expected.insert(History::row(0), before.clone()), Some(before));
    assert_eq!(expected.len(), 10);
    for n in 1..10 {
        let row = &expected[&History::row(n)];
        let (version, view) = (row.version, row.view.as_ref().unwrap());
        let steps: Vec<String> = (1..version).map(|step| format!("{step},")).collect();
        assert_eq!(
            (view.steps.unsigned_abs() + 1, &view.trail),
            (version, &steps.concat()),
            "each once and in order"
        );
    }
    assert_eq!(expected.values().map(|row| row.version).sum::<u64>(), 10 + 2000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fail_over_of_postgres_lost_of_the_parked_is_parked_again() {
    let sink = RedisSink::new().await;
    let mut door = PostgresProxy::before(&sink.stage.database.url("views_writer"));
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..6).map(|n| history.started(n, "django")));
    let views = RedisViews::new(&sink.stage.config, door.url().parse().unwrap(), "tester").unwrap();
    let rig = Rig::start(views, &topic, &history);
    rig.assign(&[0]).await;
    topic.append(0, [history.called(0, -1)]);
    rig.caught_up(&sink, &[0]).await;
    sink.stage.database.keep().await;

    // Parked, and parked behind it; and what is applied goes on, in flushes that know nothing of Postgres.
    topic.append(0, [history.called(1, -1), history.called(1, 1), history.called(0, 1)]);
    rig.caught_up(&sink, &[0]).await;
    topic.append(0, (2..6).map(|n| history.called(n, 2)));
    rig.caught_up(&sink, &[0]).await;
    let (parked, rows) = (sink.parked().await, sink.rows().await);
    assert_eq!(parked.iter().map(|key| key.offsets.len()).sum::<usize>(), 4);

    door.close().await;
    sink.stage.database.fail_over().await;
    assert_eq!(sink.parked().await.len(), 1);
    door.open();
    eventually("what was lost is parked again", BOUND, async || sink.parked().await == parked).await;
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, rows);
    topic.append(0, (2..6).map(|n| history.called(n, 3)));
    topic.append(0, [history.called(1, 2)]);
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.parked().await.iter().map(|key| key.offsets.len()).sum::<usize>(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fail_over_of_postgres_lost_is_seen_by_an_owner_that_comes_later() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "django"), history.started(1, "django")]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    sink.stage.database.keep().await;
    topic.append(0, [history.called(0, -1), history.called(1, 1)]);
    rig.caught_up(&sink, &[0]).await;
    let (parked, rows) = (sink.parked().await, sink.rows().await);
    drop(rig);
    sink.stage.database.fail_over().await;
    assert!(sink.parked().await.is_empty());

    let next = Rig::start(sink.open().await, &topic, &history);
    next.assign(&[0]).await;
    eventually("what was lost is parked again", BOUND, async || sink.parked().await == parked).await;
    next.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, rows);
}
