//! From a topic on the real broker into Redis: rows lie where readers look, and a wiped Redis is read again.

use std::time::Duration;

use clap::Parser;
use events::AggregateId;
use kafka::conformance::{History, Sink, Tally};
use kafka::{BrokerConfig, Projector, ProjectorConfig, Record};
use projection_redis::Reader;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use testkit::eventually;
use tokio_util::sync::CancellationToken;

use crate::sink::RedisSink;

pub(crate) const BOUND: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 5;

#[derive(Parser)]
pub(crate) struct Program {
    #[command(flatten)]
    pub(crate) broker: BrokerConfig,
    #[command(flatten)]
    pub(crate) projector: ProjectorConfig,
}

/// As the super user: access rules are tested where they are made.
pub(crate) fn settings() -> Program {
    let stack = testkit::stack();
    let (bootstrap, password) =
        (stack.get("MILLRACE_KAFKA_BOOTSTRAP"), stack.get("MILLRACE_KAFKA_ADMIN_PASSWORD"));
    let line =
        ["it", "--kafka-bootstrap", bootstrap, "--projector-user", "admin", "--projector-password", password];
    Program::parse_from(line)
}

/// Sends the records where Java's partitioner puts their keys.
pub(crate) async fn send(topic: &str, records: Vec<Record>) {
    let producer: FutureProducer =
        testkit::stack().kafka("admin").set("partitioner", "murmur2_random").create().unwrap();
    let mut sent = Vec::new();
    for record in &records {
        let header =
            |all: OwnedHeaders, (key, value): (&str, Option<&[u8]>)| all.insert(Header { key, value });
        let headers = record.headers.iter().fold(OwnedHeaders::new(), header);
        let (key, payload) = (record.key.clone().unwrap(), record.payload.clone().unwrap());
        let record = FutureRecord::to(topic).key(&key).payload(&payload).headers(headers);
        sent.push(producer.send_result(record).map_err(|(error, _)| error).unwrap());
    }
    for delivery in sent {
        delivery.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_lie_where_readers_look_and_a_wiped_redis_is_read_again_from_the_topic() {
    let (sink, topic, mut history) =
        (RedisSink::new().await, testkit::topic("tally.events", PARTITIONS).await, History::default());
    let mut records: Vec<Record> = (0..40).map(|n| history.started(n, "django")).collect();
    records.extend((0..400).map(|n| history.called(n % 40, 3)));
    send(&topic, records).await;

    let Program { broker, projector } = settings();
    let (store, group) = (sink.open().await, testkit::unique("tally"));
    let projector =
        Projector::<Tally, _>::named(&group, &topic, &broker, projector, history.decoder(), store);
    let stop = CancellationToken::new();
    let running = tokio::spawn(projector.run(stop.clone()));
    eventually("the whole history is applied", BOUND, async || sink.rows().await == history.rows()).await;

    let mut reader = Reader::<Tally>::new(&sink.stage.config, PARTITIONS).unwrap();
    for (key, row) in history.rows() {
        let (tenant, aggregate_id): (_, AggregateId) = (key.tenant, key.aggregate_id);
        assert_eq!(reader.row(&tenant, aggregate_id).await.unwrap(), row, "found by its id alone");
    }

    sink.stage.wipe().await;
    eventually("the rows are back", BOUND, async || sink.rows().await == history.rows()).await;
    send(&topic, (0..40).map(|n| history.called(n, 5)).collect()).await;
    eventually("and go on", BOUND, async || sink.rows().await == history.rows()).await;
    assert!(sink.parked().await.is_empty());
    stop.cancel();
    tokio::time::timeout(BOUND, running).await.expect("it ends").unwrap().unwrap();
}
