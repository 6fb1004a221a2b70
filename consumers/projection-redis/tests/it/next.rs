//! A second edition is made beside the one that is read, takes its place, and gives it back, whatever cuts it short.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka::conformance::{DONE_TOKENS, History, Rig, Sink, Tally, TallyView, Topic};
use kafka::{Classify, Fault, RowKey, ViewStore};
use projection::Row;
use projection_redis::{NextKeys, Reader, RedisConfig, ViewAt, abandon, go_back};
use rebuild::{Edition, Placed, Rebuild};

use crate::sink::RedisSink;
use crate::stage::PARTITIONS;

/// Where the partitions end of which all is in the store.
fn ends(topic: &Topic) -> Vec<(i32, i64, i64)> {
    (0..PARTITIONS).map(|partition| (partition, 0, topic.end(partition))).collect()
}

/// Events in the partitions that they belong to.
fn fill(topic: &Topic, history: &mut History, executions: u128, calls: u128) {
    for n in 0..executions {
        append(topic, History::row(n), history.started(n, "django"));
    }
    for call in 0..calls {
        let n = call % executions;
        append(topic, History::row(n), history.called(n, 3));
    }
}

fn append(topic: &Topic, key: RowKey, record: kafka::Record) {
    let partition = kafka::partition_of(key.aggregate_id.to_string().as_bytes(), PARTITIONS);
    topic.append(partition, [record]);
}

async fn next(sink: &RedisSink) -> Rebuild<Tally, NextKeys<Tally>> {
    let owner = sink.stage.database.url("owner");
    let edition =
        NextKeys::open(&sink.stage.config, &owner, Topic::default().name(), PARTITIONS).await.unwrap();
    Rebuild::open(edition, PARTITIONS).await.unwrap()
}

/// The store's events behind what was taken, so many at a time, until it is cut short or all are taken.
async fn take(rebuild: &mut Rebuild<Tally, NextKeys<Tally>>, history: &History, most: usize) {
    let after = rebuild.progress().position;
    let placed = (1..).zip(history.events()).filter(|(position, _)| *position > after);
    let placed = placed.map(|(position, (event, payload))| Placed { position, event: Ok(event), payload });
    let placed: Vec<_> = placed.take(most).collect();
    let through = placed.last().map_or(after, |last| last.position);
    rebuild.take(placed, through).await.unwrap();
    rebuild.write().await.unwrap();
}

/// What lies in a namespace beside the one that is read.
async fn rows(sink: &RedisSink, aside: &str) -> BTreeMap<RowKey, Row<TallyView>> {
    let namespace = format!("{}{aside}", sink.stage.config.namespace.as_deref().unwrap());
    let config = RedisConfig { namespace: Some(namespace), ..sink.stage.config.clone() };
    let mut rows = BTreeMap::new();
    let show = |ViewAt { tenant, aggregate_id, row, .. }: ViewAt<TallyView>| {
        rows.insert(RowKey { tenant, aggregate_id }, row);
    };
    Reader::<Tally>::new(&config, PARTITIONS).unwrap().rows(show).await.unwrap();
    rows
}

async fn switch(rebuild: &mut Rebuild<Tally, NextKeys<Tally>>, topic: &Topic) {
    rebuild.edition.hold(topic.name(), &ends(topic)).await.unwrap();
    assert_eq!(rebuild.edition.behind().await.unwrap(), []);
    rebuild.edition.switch().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edition_that_is_cut_short_or_half_forgotten_goes_on_and_is_the_fold() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    fill(&topic, &mut history, 40, 400);
    let mut redis = sink.stage.redis().await;
    while next(&sink).await.progress().position < 440 {
        let mut rebuild = next(&sink).await;
        take(&mut rebuild, &history, 100).await;
        // Whoever goes on takes over; and one partition forgets all it had.
        let position = rebuild.progress().position;
        if position < 300 {
            let lost =
                format!("{}~next:{{p{}}}:*", sink.stage.config.namespace.as_deref().unwrap(), position % 12);
            let keys: Vec<String> = redis::cmd("KEYS").arg(lost).query_async(&mut redis).await.unwrap();
            redis::cmd("DEL").arg(keys).exec_async(&mut redis).await.unwrap();
            let mut again = next(&sink).await;
            assert_eq!(again.progress().position, 0, "it goes on where the one is that is furthest behind");
            take(&mut again, &history, position as usize + 50).await;
            let error = rebuild.edition.write(rebuild::Batch {
                changes: vec![],
                replaced: vec![],
                from: rebuild.progress(),
                to: rebuild.progress(),
            });
            assert!(error.await.unwrap_err().to_string().contains("another rebuild"));
        }
    }
    assert_eq!(rows(&sink, "~next").await, history.rows());
    assert!(sink.rows().await.is_empty(), "nobody reads it yet");
    assert!(abandon::<Tally>(&sink.stage.config, Topic::default().name(), PARTITIONS).await.unwrap());
    assert!(rows(&sink, "~next").await.is_empty());
    assert!(!abandon::<Tally>(&sink.stage.config, Topic::default().name(), PARTITIONS).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_goes_on_with_what_was_switched_in_and_with_what_was_read_before() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    fill(&topic, &mut history, 40, 400);
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&all).await;
    rig.caught_up(&sink, &all).await;
    // A mistake that is mended by now: a row shows what is not, and one is nobody's.
    let mut redis = sink.stage.redis().await;
    let key = |n| {
        let RowKey { tenant, aggregate_id } = History::row(n);
        let partition = kafka::partition_of(aggregate_id.to_string().as_bytes(), PARTITIONS);
        sink.stage.key(partition, &format!("row:{tenant}:{aggregate_id}"))
    };
    let right: String = redis::cmd("HGET").arg(key(7)).arg("d").query_async(&mut redis).await.unwrap();
    let wrong = right.replace("\"steps\":10", "\"steps\":11");
    assert_ne!(wrong, right);
    redis::cmd("HSET").arg(key(7)).arg("d").arg(&wrong).exec_async(&mut redis).await.unwrap();
    redis::cmd("COPY").arg(key(8)).arg(key(1008)).exec_async(&mut redis).await.unwrap();

    let mut rebuild = next(&sink).await;
    take(&mut rebuild, &history, 300).await;
    let others = (0..40).filter(|n| *n != 7);
    for n in others.clone() {
        append(&topic, History::row(n), history.called(n, 1));
    }
    take(&mut rebuild, &history, usize::MAX).await;
    rig.caught_up(&sink, &all).await;
    rebuild.edition.hold(topic.name(), &ends(&topic)).await.unwrap();
    let behind = rebuild.edition.behind().await.unwrap();
    assert_eq!(behind.len(), 1, "{behind:?}");
    assert_eq!(behind[0].aggregate_id, History::row(1008).aggregate_id);
    rebuild.edition.let_go().await.unwrap();
    redis::cmd("DEL").arg(key(1008)).exec_async(&mut redis).await.unwrap();
    switch(&mut rebuild, &topic).await;
    for n in others {
        append(&topic, History::row(n), history.called(n, 1));
    }
    rig.caught_up(&sink, &all).await;
    assert_eq!(sink.rows().await, history.rows());
    assert_eq!(sink.parked().await, []);

    let owner = sink.stage.database.url("owner");
    assert!(go_back::<Tally>(&sink.stage.config, &owner, topic.name(), &ends(&topic)).await.unwrap());
    let read: String = redis::cmd("HGET").arg(key(7)).arg("d").query_async(&mut redis).await.unwrap();
    assert_eq!(read, wrong, "mistakes and all");
    assert!(go_back::<Tally>(&sink.stage.config, &owner, topic.name(), &ends(&topic)).await.unwrap());
    rig.caught_up(&sink, &all).await;
    assert_eq!(sink.rows().await, history.rows());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_finished_is_known_to_the_edition_that_comes_in() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    fill(&topic, &mut history, 40, 40);
    append(&topic, History::row(7), history.called(7, DONE_TOKENS));
    let mut rebuild = next(&sink).await;
    take(&mut rebuild, &history, usize::MAX).await;
    switch(&mut rebuild, &topic).await;
    assert_eq!(sink.rows().await, history.rows());
    let store = sink.open().await.with_finished_ttl(Some(Duration::from_secs(3_600)));
    let rig = Rig::start(store, &topic, &history);
    rig.assign(&(0..PARTITIONS).collect::<Vec<_>>()).await;
    testkit::eventually("it has expired", Duration::from_secs(60), async || {
        sink.rows().await[&History::row(7)].is_expired
    })
    .await;
    assert_eq!(sink.rows().await.values().filter(|row| row.view.is_some()).count(), 39);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_that_is_cut_short_is_claimed_by_nobody_and_ended_by_the_next_command() {
    let sink = RedisSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    fill(&topic, &mut history, 120, 120);
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&all).await;
    rig.caught_up(&sink, &all).await;
    drop(rig);
    let (mut cut, mut instant, mut ended) = (0, Duration::from_millis(1), false);
    while !ended {
        let read = sink.rows().await;
        for n in 0..120 {
            append(&topic, History::row(n), history.called(n, 1));
        }
        let mut rebuild = next(&sink).await;
        take(&mut rebuild, &history, usize::MAX).await;
        rebuild.edition.hold(topic.name(), &ends(&topic)).await.unwrap();
        ended = tokio::time::timeout(instant, rebuild.edition.switch()).await.is_ok();
        instant += instant / 2;
        drop(rebuild);
        let mut store = sink.open().await;
        let mut claimed = store.claim(topic.name(), &all).await;
        if claimed.as_ref().is_err_and(|error| error.to_string().contains("has a later owner")) {
            // Redis has heard of an epoch that Postgres took back.
            claimed = store.claim(topic.name(), &all).await;
        }
        if let Err(error) = claimed {
            assert!(!ended && error.to_string().contains("is being switched"), "{error}");
            assert_eq!(error.fault(), Fault::Transient);
            cut += 1;
        } else if !ended {
            continue; // nothing was moved yet
        }
        abandon::<Tally>(&sink.stage.config, topic.name(), PARTITIONS).await.unwrap();
        assert_eq!(sink.rows().await, history.rows(), "what came in");
        assert_eq!(rows(&sink, "~kept").await, read, "what was read before");
    }
    assert!(cut > 0, "no switch was cut short");
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&all).await;
    rig.caught_up(&sink, &all).await;
    assert_eq!(sink.rows().await, history.rows());
}
