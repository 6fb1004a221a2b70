//! What the feed tells is what was committed.

use std::collections::BTreeMap;

use super::fence::{TOPIC, changes};
use super::{Flaky, History, Rig, Sink, Topic, until};
use crate::store::{RowKey, ViewStore};

/// How often the feed tells of each row.
async fn told(sink: &impl Sink) -> BTreeMap<RowKey, usize> {
    let mut told = BTreeMap::new();
    for key in sink.feed().await {
        *told.entry(key).or_default() += 1;
    }
    told
}

/// Flushes of which none, some and all partitions are ours.
pub async fn what_is_committed_is_in_the_feed_and_what_is_not_is_not(sink: &impl Sink) {
    let (mut zombie, mut owner) = (sink.open().await, sink.open().await);
    let old = zombie.claim(TOPIC, &[0, 1]).await.expect("a claim");
    assert!(sink.feed().await.is_empty());
    zombie.commit(&changes(&[(&old[0], 0, 2)])).await.expect("its own time");
    assert_eq!(sink.feed().await, [History::row(0)]);

    let new = owner.claim(TOPIC, &[0]).await.expect("a claim");
    let late = zombie.commit(&changes(&[(&old[0], 2, 5), (&old[1], 0, 1)])).await.expect("an answer");
    assert_eq!(late.fenced, [0]);
    assert_eq!(sink.feed().await, [History::row(0), History::row(1)]);

    let elsewhere = owner.commit(&changes(&[(&new[0], 5, 7)])).await.expect("an answer");
    assert_eq!(elsewhere.fenced, [0]);
    assert_eq!(sink.feed().await.len(), 2);
}

/// Answers get lost before and after the sink has applied them.
pub async fn what_is_committed_is_in_the_feed_though_its_answer_is_lost(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    let rig = Rig::start(Flaky::new(sink.open().await), &topic, &history);
    rig.assign(&[0, 1]).await;
    let mut before = BTreeMap::new();
    for round in 0..6 {
        for n in 0..8 {
            let record = if round == 0 { history.started(n, "r") } else { history.called(n, 3) };
            topic.append(i32::from(n % 2 == 1), [record]);
        }
        rig.caught_up(sink, &[0, 1]).await;
        let now = told(sink).await;
        for key in history.rows().keys() {
            assert!(now.get(key) > before.get(key), "{key:?} changed in round {round}: {before:?}, {now:?}");
        }
        before = now;
    }
    assert!(rig.metrics().transient_faults.get() >= 6, "answers were lost");
}

/// What is applied late is told when it is applied, and not when it parks.
pub async fn a_key_that_is_redriven_or_discarded_is_in_the_feed(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.started(2, "r")]);
    let late = [history.called(0, 1), history.called(2, 1)];
    topic.append(0, [history.called(0, 2), history.called(2, 2)]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    let parked = told(sink).await;
    let [redriven, _lost] = late;
    topic.append(0, [redriven]);
    rig.caught_up(sink, &[0]).await;
    assert_eq!(told(sink).await, parked, "what is parked changes no row");
    sink.redrive(&History::key(0)).await;
    sink.discard_first(&History::key(2), false).await;
    until("nothing is parked", async || sink.parked().await.is_empty()).await;
    let now = told(sink).await;
    for key in [History::row(0), History::row(2)] {
        assert!(now[&key] > parked[&key], "{key:?}: {parked:?}, {now:?}");
    }
}
