//! A topic on the real broker, and members of a group that read it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use kafka::conformance::{History, Sink, Tally};
use kafka::{
    BrokerConfig, GroupProtocol, Metrics, Projector, ProjectorConfig, ProjectorError, Record, Standing,
    ViewStore,
};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sink::PostgresSink;

pub(crate) const BOUND: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    broker: BrokerConfig,
    #[command(flatten)]
    projector: ProjectorConfig,
    #[command(flatten)]
    relay: dead_letters::RelayConfig,
}

/// A topic and a group that no other test uses.
pub(crate) struct Broker {
    pub(crate) topic: String,
    pub(crate) group: String,
    pub(crate) partitions: i32,
    producer: FutureProducer,
}

impl Broker {
    pub(crate) async fn new(partitions: i32) -> Self {
        let producer = testkit::stack()
            .kafka("admin")
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .create()
            .unwrap();
        let topic = testkit::topic("tally.events", partitions).await;
        Self { topic, group: testkit::unique("tally"), partitions, producer }
    }

    /// The settings of a projector that logs in as the super user: access rules are tested where they are made.
    pub(crate) fn settings() -> (BrokerConfig, ProjectorConfig, dead_letters::RelayConfig) {
        let stack = testkit::stack();
        let (bootstrap, password) =
            (stack.get("MILLRACE_KAFKA_BOOTSTRAP"), stack.get("MILLRACE_KAFKA_ADMIN_PASSWORD"));
        let program = Program::parse_from([
            "it",
            "--kafka-bootstrap",
            bootstrap,
            "--projector-user",
            "admin",
            "--projector-password",
            password,
            "--dead-letters-user",
            "admin",
            "--dead-letters-password",
            password,
        ]);
        (program.broker, program.projector, program.relay)
    }

    /// Sends the records by their keys and waits until the broker has them.
    pub(crate) async fn send(&self, records: impl IntoIterator<Item = Record>) {
        self.send_by(&self.producer, records).await;
    }

    /// Sends the records in a transaction, which leaves offsets without records: its mark, and if it is aborted all of them.
    pub(crate) async fn send_in_transaction(&self, records: impl IntoIterator<Item = Record>, is_kept: bool) {
        let producer: FutureProducer = testkit::stack()
            .kafka("admin")
            .set("partitioner", "murmur2_random")
            .set("transactional.id", testkit::unique("tally"))
            .create()
            .unwrap();
        tokio::task::block_in_place(|| producer.init_transactions(BOUND)).unwrap();
        producer.begin_transaction().unwrap();
        self.send_by(&producer, records).await;
        let end =
            || if is_kept { producer.commit_transaction(BOUND) } else { producer.abort_transaction(BOUND) };
        tokio::task::block_in_place(end).unwrap();
    }

    async fn send_by(&self, producer: &FutureProducer, records: impl IntoIterator<Item = Record>) {
        let sent = records.into_iter().map(async |record| {
            let headers = record
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value }));
            let key = record.key.clone().unwrap_or_default();
            let payload = record.payload.clone().unwrap_or_default();
            let record = FutureRecord::to(&self.topic).key(&key).payload(&payload).headers(headers);
            producer.send(record, BOUND).await.unwrap();
        });
        futures::future::join_all(sent).await;
    }

    /// Another member of the group.
    pub(crate) async fn member(
        &self,
        sink: &PostgresSink,
        history: &History,
        protocol: GroupProtocol,
    ) -> Member {
        let (_, mut config, _) = Self::settings();
        config.group_protocol = protocol;
        self.member_with(sink.open().await, history, config)
    }

    pub(crate) fn member_with<S: ViewStore<Tally>>(
        &self,
        store: S,
        history: &History,
        config: ProjectorConfig,
    ) -> Member {
        let (broker, _, _) = Self::settings();
        let projector =
            Projector::<Tally, S>::named(&self.group, &self.topic, &broker, config, history.decoder(), store);
        let (stop, metrics) = (CancellationToken::new(), projector.metrics());
        let standings = projector.standings();
        let run = tokio::spawn(projector.run(stop.clone()));
        Member { stop, metrics, standings, run }
    }

    /// The sum of where the views say the partitions stand.
    pub(crate) async fn next_offset(&self, sink: &PostgresSink) -> i64 {
        let mut sum = 0;
        for partition in 0..self.partitions {
            sum += sink.next_offset(&self.topic, partition).await;
        }
        sum
    }

    /// Waits until the views have the whole history.
    pub(crate) async fn applied(&self, sink: &PostgresSink, history: &History) {
        let expected = Arc::new(history.rows());
        testkit::eventually("the views have the whole history", BOUND, async || {
            sink.rows().await == *expected
        })
        .await;
        assert_eq!(sink.totals().await.unwrap(), History::totals(&expected));
    }
}

/// One member of a group.
pub(crate) struct Member {
    stop: CancellationToken,
    pub(crate) metrics: Metrics,
    standings: watch::Receiver<Vec<Standing>>,
    run: JoinHandle<Result<(), ProjectorError>>,
}

impl Member {
    /// Asks it to leave.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Leaves in an orderly way.
    pub(crate) async fn leave(self) {
        self.stop.cancel();
        tokio::time::timeout(BOUND, self.run).await.expect("it ends").unwrap().unwrap();
    }

    /// Ends in the middle of whatever it is at. Only its client still takes leave of Kafka.
    pub(crate) async fn die(self) {
        self.run.abort();
        self.run.await.unwrap_err();
    }

    /// Waits for its end by an error.
    pub(crate) async fn failed(self) -> ProjectorError {
        tokio::time::timeout(BOUND, self.run).await.expect("it ends").unwrap().unwrap_err()
    }

    /// Waits until it says that it has everything that was in the topic at some moment from now on.
    pub(crate) async fn is_current(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        testkit::eventually("it has everything", BOUND, async || {
            let standings = self.standings.borrow();
            let current = |standing: &Standing| {
                standing.current_at().is_some_and(|at| at.micros().unsigned_abs() as u128 > now)
            };
            !standings.is_empty() && standings.iter().all(current)
        })
        .await;
    }

    /// It has applied so many events, and met none that was applied. It counts after its sink has them.
    pub(crate) async fn has_counted(&self, applied: u64) {
        let what = format!("{applied} are counted as applied, no more");
        testkit::eventually(&what, BOUND, async || self.metrics.applied.get() == applied).await;
        assert_eq!(self.metrics.stale.get(), 0);
    }

    pub(crate) async fn owns(&self, partitions: impl Fn(i64) -> bool) {
        testkit::eventually("its share of partitions", BOUND, async || {
            partitions(self.metrics.partitions.get())
        })
        .await;
    }
}
