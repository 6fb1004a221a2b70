//! Rows that Redis cannot store, and rows that it is given again.

use kafka::conformance::{History, Rig, Sink, Topic, settings};
use projection_redis::Place;
use testkit::eventually;

use crate::sink::RedisSink;
use crate::topic::BOUND;

/// More than a score holds exactly.
const TOO_MUCH: i64 = (1 << 53) + 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_score_that_no_leaderboard_holds_parks_alone_among_a_thousand_rows() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..700).map(|n| history.started(n, "django")));
    let started = history.rows();
    topic.append(0, [history.called(4, TOO_MUCH)]);
    topic.append(0, (700..998).map(|n| history.started(n, "django")));
    topic.append(0, [history.called(4, 1)]);
    let mut expected = history.rows();
    expected.insert(History::row(4), started[&History::row(4)].clone());

    let mut config = settings();
    config.batch_records_max = 1_000;
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, expected);
    let parked = async || -> Vec<_> {
        sink.parked().await.into_iter().map(|it| (it.reason, it.state, it.offsets)).collect()
    };
    let alone = [("unstorable".to_owned(), "parked".to_owned(), vec![700, 999])];
    assert_eq!(parked().await, alone);

    sink.redrive(&History::key(4)).await;
    eventually("the redrive stops", BOUND, async || parked().await == alone).await;
    assert_eq!(sink.rows().await, expected);
    sink.discard_first(&History::key(4), false).await;
    eventually("nothing is parked", BOUND, async || parked().await.is_empty()).await;
    assert_eq!(sink.rows().await, history.rows_without(&[(4, 2)]));
}

/// Every place on the leaderboards.
async fn places(sink: &RedisSink) -> Vec<Place> {
    let mut places = Vec::new();
    sink.reader().places(|place| places.push(place)).await.unwrap();
    places.sort_by_key(|place| place.aggregate_id);
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_set_to_the_beginning_under_its_owner_is_noticed_and_what_is_read_again_changes_nothing() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..8).map(|n| history.started(n, "django")));
    topic.append(0, (0..80).map(|i| history.called(i % 8, 3)));
    topic.append(0, [history.cancelled(7), History::garbage("nobody's")]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    let (placed, told, parked) = (places(&sink).await, sink.feed().await, sink.parked().await);
    assert_eq!((placed.len(), parked.len()), (7, 1));

    let (offset, mut redis) = (sink.stage.key(0, "offset"), sink.stage.redis().await);
    for again in 1..=2 {
        redis::cmd("HSET").arg(&offset).arg(&["next_offset", "0"]).exec_async(&mut redis).await.unwrap();
        eventually("everything is read again", BOUND, async || rig.metrics().stale.get() == 89 * again).await;
        rig.caught_up(&sink, &[0]).await;
        assert_eq!(sink.rows().await, history.rows());
        assert_eq!(places(&sink).await, placed);
        assert_eq!(sink.feed().await, told);
        assert_eq!(sink.parked().await, parked);
    }
    topic.append(0, (0..7).map(|n| history.called(n, 5)));
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, history.rows());
}
