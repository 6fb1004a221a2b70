//! Parked records are copied to the dead-letter topic.

use std::collections::BTreeMap;
use std::time::Duration;

use dead_letters::{Operator, Relay};
use kafka::conformance::{History, Rig, Sink, Topic};
use kafka::{GroupProtocol, ParkKey};
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use sqlx::{AssertSqlSafe, Connection};
use tokio_util::sync::CancellationToken;

use crate::broker::{BOUND, Broker};
use crate::sink::PostgresSink;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_records_are_copied_to_the_dead_letter_topic_untouched() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(1).await, History::default());
    broker
        .send([
            history.started(0, "r"),
            History::garbage("nobody's"),
            history.called(0, -1),
            history.called(0, 1),
        ])
        .await;
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    testkit::eventually("both keys are parked", BOUND, async || sink.parked().await.len() == 2).await;
    testkit::eventually("and what is behind", BOUND, async || sink.next_offset(&broker.topic, 0).await == 4)
        .await;
    // Discarded before the copy is made: the copy is made all the same.
    sink.discard_first(&ParkKey::of(Some(b"nobody's")), false).await;
    testkit::eventually("one key is parked", BOUND, async || sink.parked().await.len() == 1).await;
    member.leave().await;

    let (config, _, relay_config) = Broker::settings();
    let dlq = testkit::topic("tally", 1).await;
    let options = sink.config().options("relay").unwrap();
    let relay = Relay::to(&dlq, "tally", options, &config, &relay_config).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { relay.run(stop).await }
    });
    let copies = read_all(&dlq, 3).await;
    let garbage = &copies["1"];
    assert_eq!(
        (garbage.key.as_slice(), garbage.payload.as_slice()),
        (&b"nobody's"[..], &b"not an event"[..])
    );
    assert_eq!(garbage.headers["deadletter.reason"], "undecodable");
    assert_eq!(garbage.headers["deadletter.id"], format!("{}/0/1", broker.topic));
    assert_eq!(copies["2"].headers["deadletter.reason"], "refused");
    let shown = Operator::new(&mut sink.connect("views_writer").await)
        .show("tally", &History::key(0), 1)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(Some(&copies["2"].payload), shown.payload.as_ref(), "byte for byte");
    for (name, value) in [
        ("deadletter.id", format!("{}/0/2", broker.topic)),
        ("deadletter.projection", "tally".to_owned()),
        ("deadletter.topic", broker.topic.clone()),
        ("deadletter.partition", "0".to_owned()),
        ("deadletter.offset", "2".to_owned()),
        ("deadletter.timestamp", shown.timestamp_ms.unwrap().to_string()),
        ("deadletter.schemaid", shown.schema_id.unwrap().to_string()),
        ("deadletter.fault", "poison".to_owned()),
        ("deadletter.attempts", "0".to_owned()),
    ] {
        assert_eq!(copies["2"].headers[name], value, "{name}");
    }
    assert_eq!(copies["2"].headers["deadletter.parkedtime"].parse(), Ok(shown.parked_at));
    assert_eq!(copies["2"].headers["deadletter.message"], "step 1 sent -1 tokens");
    assert_eq!(copies["2"].headers["ce_type"], "ModelCalled");
    assert_eq!(copies["3"].headers["deadletter.reason"], "behind");
    let mut views = sink.connect("views_writer").await;
    testkit::eventually("what was discarded goes once it is copied", BOUND, async || {
        let left: (i64, i64) = sqlx::query_as("select count(*), count(copied_at) from parked_event")
            .fetch_one(&mut views)
            .await
            .unwrap();
        left == (2, 2)
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_topic_that_is_away_holds_nobody_up_and_gets_its_copies_later() {
    let (sink, topic, mut history) = (PostgresSink::new().await, Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.called(0, -1), History::garbage("nobody's")]);
    let (config, _, mut relay_config) = Broker::settings();
    relay_config.dead_letters_timeout_ms = 200;
    // A port that refuses every connection: bound, and never listened on.
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut away = config.clone();
    away.bootstrap = format!("127.0.0.1:{closed}");
    let dlq = testkit::topic("tally", 1).await;
    let relay =
        |to| Relay::to(&dlq, "tally", sink.config().options("relay").unwrap(), to, &relay_config).unwrap();
    let (relay_away, stop) = (relay(&away), CancellationToken::new());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { relay_away.run(stop).await }
    });
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    sink.discard_first(&ParkKey::of(Some(b"nobody's")), true).await;
    testkit::eventually("one key is parked", BOUND, async || sink.parked().await.len() == 1).await;
    topic.append(0, [history.started(2, "r"), history.called(2, 1)]);
    rig.caught_up(&sink, &[0]).await;
    let mut views = sink.connect("views_writer").await;
    let waiting = "select count(*) from parked_event where copied_at is null";
    assert_eq!(sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut views).await.unwrap(), 2);
    stop.cancel();
    running.await.unwrap();

    let (relay, stop) = (relay(&config), CancellationToken::new());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { relay.run(stop).await }
    });
    let copies = read_all(&dlq, 2).await;
    assert_eq!(copies.keys().collect::<Vec<_>>(), ["1", "2"]);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed_between_sending_and_noting_sends_again_and_loses_no_copy() {
    let (sink, topic, mut history) = (PostgresSink::new().await, Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.called(0, -1), History::garbage("nobody's")]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    let (broker, _, config) = Broker::settings();
    let dlq = testkit::topic("tally", 1).await;
    let start = || {
        let relay =
            Relay::to(&dlq, "tally", sink.config().options("relay").unwrap(), &broker, &config).unwrap();
        tokio::spawn(async move { relay.run(CancellationToken::new()).await })
    };
    let noted = async || {
        let mut views = sink.connect("views_writer").await;
        let noted = "select count(copied_at) from parked_event";
        sqlx::query_scalar::<_, i64>(noted).fetch_one(&mut views).await.unwrap()
    };

    let mut holder = sink.connect("owner").await;
    let mut open = holder.begin().await.unwrap();
    sqlx::query("lock table parked_event in share mode").execute(&mut *open).await.unwrap();
    let killed = start();
    assert_eq!(read_each(&dlq, 2).await.len(), 2);
    let mut superuser = testkit::superuser().await;
    let mut noting = async |what: &str| {
        let sql = format!(
            "select count({what}) from pg_stat_activity
             where datname = $1 and application_name = 'dead-letters' and wait_event_type = 'Lock'"
        );
        let noting = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(sink.name());
        noting.fetch_one(&mut superuser).await.unwrap()
    };
    testkit::eventually("it is about to note them", BOUND, async || noting("pid").await == 1).await;
    killed.abort();
    assert_eq!(noting("pg_terminate_backend(pid, 10000)").await, 1);
    open.rollback().await.unwrap();
    assert_eq!(noted().await, 0);

    let running = start();
    let copies = read_each(&dlq, 4).await;
    let ids: Vec<&str> = copies.iter().map(|copy| copy.headers["deadletter.id"].as_str()).collect();
    assert_eq!(ids, ["tally.events/0/1", "tally.events/0/2"].repeat(2));
    for (first, again) in copies.iter().zip(&copies[2..]) {
        assert_eq!(
            (&first.key, &first.payload, &first.headers),
            (&again.key, &again.payload, &again.headers)
        );
    }
    testkit::eventually("the copies are noted", BOUND, async || noted().await == 2).await;
    running.abort();
}

struct Copy {
    key: Vec<u8>,
    payload: Vec<u8>,
    headers: BTreeMap<String, String>,
}

/// The copies in a dead-letter topic, by the offset of their originals.
async fn read_all(topic: &str, count: usize) -> BTreeMap<String, Copy> {
    let copies = read_each(topic, count).await;
    let copies: BTreeMap<_, _> =
        copies.into_iter().map(|copy| (copy.headers["deadletter.offset"].clone(), copy)).collect();
    assert_eq!(copies.len(), count, "one of each");
    copies
}

/// So many copies, in the order in which they lie in the dead-letter topic.
async fn read_each(topic: &str, count: usize) -> Vec<Copy> {
    let consumer: BaseConsumer = testkit::stack().kafka("admin").set("group.id", "none").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let mut copies = Vec::new();
    testkit::eventually("the copies arrive", BOUND, async || {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
            let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            let headers: BTreeMap<String, String> =
                message.headers().unwrap().iter().map(|h| (h.key.to_owned(), text(h.value))).collect();
            let copy = Copy {
                key: message.key().unwrap_or_default().to_vec(),
                payload: message.payload().unwrap_or_default().to_vec(),
                headers,
            };
            copies.push(copy);
        }
        copies.len() == count
    })
    .await;
    copies
}
