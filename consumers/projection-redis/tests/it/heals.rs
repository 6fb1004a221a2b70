//! A Redis that lost its memory is filled again by the lane, without anybody's help.

use std::time::Duration;

use kafka::conformance::{History, Rig, Sink, Topic};
use testkit::eventually;

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
