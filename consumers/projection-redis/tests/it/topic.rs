//! From a topic on the real broker into Redis: rows lie where readers look, a wiped Redis is read again, and where that cannot be,
//! nothing is.

use std::time::Duration;

use clap::Parser;
use events::AggregateId;
use kafka::conformance::{History, Sink, Tally};
use kafka::{BrokerConfig, Metrics, Projector, ProjectorConfig, ProjectorError, Record, ViewStore};
use projection_redis::Reader;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use testkit::eventually;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sink::RedisSink;

pub(crate) const BOUND: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 5;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    broker: BrokerConfig,
    #[command(flatten)]
    projector: ProjectorConfig,
}

/// As the super user: access rules are tested where they are made.
fn settings() -> Program {
    let stack = testkit::stack();
    let (bootstrap, password) =
        (stack.get("MILLRACE_KAFKA_BOOTSTRAP"), stack.get("MILLRACE_KAFKA_ADMIN_PASSWORD"));
    let line =
        ["it", "--kafka-bootstrap", bootstrap, "--projector-user", "admin", "--projector-password", password];
    Program::parse_from(line)
}

/// One member of a group.
pub(crate) struct Member {
    pub(crate) metrics: Metrics,
    stop: CancellationToken,
    run: JoinHandle<Result<(), ProjectorError>>,
}

impl Member {
    pub(crate) fn of<S: ViewStore<Tally>>(group: &str, topic: &str, history: &History, store: S) -> Self {
        let Program { broker, projector } = settings();
        let projector = Projector::named(group, topic, &broker, projector, history.decoder(), store);
        let (metrics, stop) = (projector.metrics(), CancellationToken::new());
        let run = tokio::spawn(projector.run(stop.clone()));
        Self { metrics, stop, run }
    }

    /// Leaves in an orderly way.
    pub(crate) async fn leave(self) {
        self.stop.cancel();
        tokio::time::timeout(BOUND, self.run).await.expect("it ends").unwrap().unwrap();
    }

    /// Waits for its end by an error.
    async fn failed(self) -> ProjectorError {
        tokio::time::timeout(BOUND, self.run).await.expect("it ends").unwrap().unwrap_err()
    }
}

/// Waits until Redis has the whole history.
pub(crate) async fn applied(sink: &RedisSink, history: &History) {
    let expected = history.rows();
    eventually("the whole history is applied", BOUND, async || sink.rows().await == expected).await;
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

    let member = Member::of(&testkit::unique("tally"), &topic, &history, sink.open().await);
    applied(&sink, &history).await;

    let mut reader = Reader::<Tally>::new(&sink.stage.config, PARTITIONS).unwrap();
    for (key, row) in history.rows() {
        let (tenant, aggregate_id): (_, AggregateId) = (key.tenant, key.aggregate_id);
        assert_eq!(reader.row(&tenant, aggregate_id).await.unwrap(), row, "found by its id alone");
    }

    sink.stage.wipe().await;
    applied(&sink, &history).await;
    send(&topic, (0..40).map(|n| history.called(n, 5)).collect()).await;
    applied(&sink, &history).await;
    assert!(sink.parked().await.is_empty());
    member.leave().await;
}

/// A topic of one partition whose first ten records are in Redis.
struct Ten {
    sink: RedisSink,
    topic: String,
    group: String,
    history: History,
}

impl Ten {
    /// And who applied them.
    async fn applied() -> (Self, Member) {
        let (sink, topic, mut history) =
            (RedisSink::new().await, testkit::topic("tally.events", 1).await, History::default());
        send(&topic, (0..10).map(|n| history.started(n, "django")).collect()).await;
        let ten = Self { sink, topic, group: testkit::unique("tally"), history };
        let member = ten.member().await;
        applied(&ten.sink, &ten.history).await;
        (ten, member)
    }

    async fn member(&self) -> Member {
        Member::of(&self.group, &self.topic, &self.history, self.sink.open().await)
    }

    /// Nothing was skipped, and nothing came from elsewhere.
    async fn are_all_there_is(&self) {
        assert_eq!(self.sink.rows().await, self.history.rows());
        assert_eq!(self.sink.next_offset(&self.topic, 0).await, 10, "it stands where it stood");
        assert!(self.sink.parked().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_that_passed_the_offset_in_redis_stops_the_projector() {
    let (ten, member) = Ten::applied().await;
    member.leave().await;
    let mut longer = History::default();
    send(&ten.topic, (10..20).map(|n| longer.started(n, "django")).collect()).await;
    testkit::records_deleted(&ten.topic, 0, 15).await;
    let error = ten.member().await.failed().await;
    assert!(
        matches!(error, ProjectorError::OffsetGone { partition: 0, offset: 10, first: 15, end: 20, .. }),
        "{error}"
    );
    ten.are_all_there_is().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_wiped_after_retention_is_not_filled_from_what_is_left() {
    let (ten, member) = Ten::applied().await;
    testkit::records_deleted(&ten.topic, 0, 5).await;
    ten.sink.stage.wipe().await;
    let error = member.failed().await;
    assert!(
        matches!(error, ProjectorError::OffsetGone { partition: 0, offset: 0, first: 5, end: 10, .. }),
        "{error}"
    );
    assert!(ten.sink.rows().await.is_empty());
    assert_eq!(ten.sink.next_offset(&ten.topic, 0).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_that_has_reached_the_offset_in_redis_again_stops_the_projector() {
    let (ten, member) = Ten::applied().await;
    member.leave().await;
    testkit::topic_made_anew(&ten.topic, 1).await;
    let mut other = History::default();
    send(&ten.topic, (20..40).map(|n| other.started(n, "another")).collect()).await;
    let error = ten.member().await.failed().await;
    assert!(matches!(error, ProjectorError::OtherTopic { partition: 0, offset: 9, .. }), "{error}");
    ten.are_all_there_is().await;
}
