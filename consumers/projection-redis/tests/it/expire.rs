//! Finished views go after a while; that they were there stays known.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use kafka::conformance::{DONE_TOKENS, History, Rig, Sink, TallyView, Topic};
use kafka::{Record, RowKey, Tenure, ViewStore};
use projection::Row;
use testkit::eventually;

use crate::sink::RedisSink;
use crate::stage::*;

const BOUND: Duration = Duration::from_secs(60);
const TTL: Option<Duration> = Some(Duration::from_secs(3_600));

/// What the events make, of the finished without what they show.
fn expected(history: &History) -> BTreeMap<RowKey, Row<TallyView>> {
    let mut rows = history.rows();
    for row in rows.values_mut() {
        if row.view.take_if(|view| view.tokens >= DONE_TOKENS).is_some() {
            row.is_expired = true;
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_view_goes_and_neither_old_events_nor_new_ones_bring_it_back() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    let open = async || sink.open().await.with_finished_ttl(TTL);
    let gone = async |history: &History| {
        eventually("the finished views have gone", BOUND, async || sink.rows().await == expected(history))
            .await;
    };
    let mut first: Vec<Record> = (0..8).map(|n| history.started(n, "django")).collect();
    first.extend((0..80).map(|n| history.called(n % 8, 1)));
    first.extend([history.called(0, DONE_TOKENS), history.called(1, DONE_TOKENS)]);
    topic.append(0, first.clone());
    let rig = Rig::start(open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    gone(&history).await;
    let board = async || {
        let mut places = 0;
        sink.reader().places(|_| places += 1).await.unwrap();
        places
    };
    assert_eq!(board().await, 6, "they left the leaderboard");

    // Everything comes again, to the owner that knows it and to the next one.
    topic.append(0, first.clone());
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, expected(&history));
    topic.append(0, [history.called(0, 1)]);
    rig.caught_up(&sink, &[0]).await;
    gone(&history).await;
    drop(rig);
    topic.append(0, first);
    // One that the views which are gone would have refused.
    topic.append(0, [history.called(0, 1), history.started(1, "again"), history.called(2, DONE_TOKENS)]);
    let next = Rig::start(open().await, &topic, &history);
    next.assign(&[0]).await;
    next.caught_up(&sink, &[0]).await;
    eventually("the third has gone", BOUND, async || board().await == 5).await;
    let rows = sink.rows().await;
    for (n, version) in [(0, 14), (1, 13), (2, 12)] {
        let row = &rows[&History::row(n)];
        assert_eq!((row.version, row.is_expired, &row.view), (version, true, &None), "{n}");
    }
    assert_eq!(sink.parked().await, []);
    drop(next);

    // A Redis that forgot everything is filled again; what was finished goes again.
    sink.stage.wipe().await;
    let again = Rig::start(sink.open().await, &topic, &history);
    again.assign(&[0]).await;
    again.caught_up(&sink, &[0]).await;
    assert!(!sink.rows().await[&History::row(0)].is_expired);
    drop(again);
    let last = Rig::start(open().await, &topic, &history);
    last.assign(&[0]).await;
    eventually("they have gone", BOUND, async || board().await == 5).await;
}

#[tokio::test]
async fn what_was_finished_long_enough_ago_goes_however_much_it_is_and_the_feed_tells() {
    let stage = Stage::new().await;
    let mut store = stage.store("a").with_feed(10_000).with_finished_ttl(TTL);
    let claimed = claim(&mut store, 3).await.unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let now = u64::try_from(now).unwrap();
    let hour = 3_600_000;
    let mut rows: Vec<_> = (0..500).map(|n| change(3, n, 0, 1_000 + n)).collect();
    rows.extend([change(3, 500, 0, 999), change(3, 501, 0, now - hour / 2), change(3, 502, 0, now - hour)]);
    store.commit(&flush(&claimed, 9, rows)).await.unwrap();
    let told = stage.fed(3).await.len();
    let tenure = Tenure { partition: 3, epoch: claimed.epoch };
    assert!(store.inspect(TOPIC, &[tenure]).await.unwrap().is_empty());

    let mut left = Vec::new();
    let mut expired = 0;
    let show = |view: projection_redis::ViewAt<Count>| match view.row.view {
        Some(count) => left.push(count.n.unsigned_abs()),
        None => {
            assert!(view.row.is_expired && view.row.version >= 1_000);
            assert_eq!(view.row.sum, row(view.row.version).sum);
            expired += 1;
        }
    };
    stage.reader().rows(show).await.unwrap();
    left.sort_unstable();
    assert_eq!((left, expired), (vec![999, now - hour / 2], 501));
    let mut places = 0;
    stage.reader().places(|_| places += 1).await.unwrap();
    assert_eq!(places, 2);
    let fed = stage.fed(3).await.split_off(told);
    let fed: Vec<_> = fed.into_iter().flat_map(|(_, rows)| rows).collect();
    assert_eq!(fed.len(), 501);
    assert!(fed.contains(&(aggregate(7), 1_007)));
    assert!(store.inspect(TOPIC, &[tenure]).await.unwrap().is_empty());
    assert_eq!(stage.fed(3).await.len(), told + 3, "nothing goes twice");

    // A later owner lets go, an earlier one does not.
    let mut changes = flush(&claimed, 10, vec![change(3, 600, 0, 1_000)]);
    changes.progress[0].from = 9;
    store.commit(&changes).await.unwrap();
    claim(&mut stage.store("b"), 3).await.unwrap();
    let error = store.inspect(TOPIC, &[tenure]).await.unwrap_err();
    assert!(error.to_string().contains("epoch 2"), "{error}");
    let kept = stage.reader().load(&[(3, key(600))]).await.unwrap().remove(0);
    assert_eq!(kept.row, row(1_000));
}
