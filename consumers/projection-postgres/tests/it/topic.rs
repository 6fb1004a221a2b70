//! The whole read side on a real broker: hand-overs, back-pressure, progress that is the sink's.

use std::time::Duration;

use kafka::conformance::{History, Sink, Tally, TallyView};
use kafka::{
    Changes, Claim, Committed, GroupProtocol, Loaded, ParkKey, ParkedRecord, ProjectorError, Request, RowKey,
    Tenure, ViewStore,
};
use ownership::Progress;
use projection_postgres::{Error, PostgresViews};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use sqlx::Connection;

use crate::broker::{BOUND, Broker, Member};
use crate::sink::PostgresSink;

async fn flows(protocol: GroupProtocol) {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(3).await, History::default());
    broker.send((0..30).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
    let member = broker.member(&sink, &history, protocol).await;
    broker.applied(&sink, &history).await;
    for _ in 0..10 {
        broker.send((0..30).map(|n| history.called(n, 2)).collect::<Vec<_>>()).await;
    }
    broker.applied(&sink, &history).await;
    testkit::eventually("Kafka is told how far the sink got", BOUND, async || committed(&broker) == 330)
        .await;
    testkit::eventually("no lag is left", BOUND, async || {
        (0..3).map(|p| member.metrics.lag.with_label_values(&[&p.to_string()]).get()).sum::<i64>() == 0
    })
    .await;
    member.leave().await;
    assert!(sink.parked().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_hold_no_record_are_no_lag() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(1).await, History::default());
    broker.send_in_transaction((0..5).map(|n| history.started(n, "r")).collect::<Vec<_>>(), true).await;
    let mut never = History::default();
    broker.send_in_transaction([never.started(7, "r"), never.called(7, 1)], false).await;
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    member.is_current().await;
    assert_eq!(sink.rows().await, history.rows());

    broker.send_in_transaction((0..5).map(|n| history.called(n, 2)).collect::<Vec<_>>(), true).await;
    member.is_current().await;
    assert_eq!(sink.rows().await, history.rows());
    broker.send_in_transaction([never.called(7, 1)], false).await;
    member.is_current().await;
    broker.send([history.called(0, 3)]).await;
    member.is_current().await;
    assert_eq!(sink.rows().await, history.rows());
    assert_eq!(member.metrics.lag.with_label_values(&["0"]).get(), 0);
    member.leave().await;
    assert!(sink.parked().await.is_empty());
}

/// What the group has committed to Kafka, summed.
fn committed(broker: &Broker) -> i64 {
    let consumer: BaseConsumer =
        testkit::stack().kafka("admin").set("group.id", &broker.group).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_range(&broker.topic, 0, broker.partitions - 1);
    let committed = consumer.committed_offsets(list, BOUND).unwrap();
    committed
        .elements()
        .iter()
        .map(|element| match element.offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_flow_from_the_topic_into_the_views_by_the_consumer_protocol() {
    flows(GroupProtocol::Consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_flow_from_the_topic_into_the_views_by_the_classic_protocol() {
    flows(GroupProtocol::Classic).await;
}

/// A topic of one partition whose first ten records are in the views, and nobody in its group.
async fn ten_are_applied() -> (PostgresSink, Broker, History) {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(1).await, History::default());
    broker.send((0..10).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    broker.applied(&sink, &history).await;
    member.leave().await;
    (sink, broker, history)
}

/// Has the sink say that it has everything before this offset.
async fn stands_at(sink: &PostgresSink, broker: &Broker, offset: i64) {
    let mut views = sink.connect("views_writer").await;
    let progress = Progress { projection: "tally", topic: &broker.topic };
    progress.claim(&mut views, &[0], "a test").await.unwrap();
    sqlx::query("update projection_offset set next_offset = $1")
        .bind(offset)
        .execute(&mut views)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_the_sinks_whatever_kafka_remembers() {
    let (sink, broker, mut history) = ten_are_applied().await;
    // Another group: Kafka knows nothing of it. Yet nothing is read twice, and nothing is skipped.
    let mut other = Broker::new(1).await;
    other.topic.clone_from(&broker.topic);
    broker.send((0..10).map(|n| history.called(n, 1)).collect::<Vec<_>>()).await;
    let member = other.member(&sink, &history, GroupProtocol::Consumer).await;
    broker.applied(&sink, &history).await;
    member.has_counted(10).await;
    member.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_the_sinks_whatever_kafka_is_told() {
    let (sink, broker, mut history) = ten_are_applied().await;
    for told in [0, 1_000] {
        tell_kafka(&broker, told).await;
        broker.send((0..10).map(|n| history.called(n, 1)).collect::<Vec<_>>()).await;
        let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
        broker.applied(&sink, &history).await;
        member.has_counted(10).await;
        member.leave().await;
    }
}

/// Sets what Kafka remembers of the group, as an operator does while nobody is in it.
async fn tell_kafka(broker: &Broker, offset: i64) {
    let consumer: BaseConsumer =
        testkit::stack().kafka("admin").set("group.id", &broker.group).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&broker.topic, 0, Offset::Offset(offset)).unwrap();
    testkit::eventually("the group is empty", BOUND, async || {
        consumer.commit(&list, CommitMode::Sync).is_ok()
    })
    .await;
    assert_eq!(committed(broker), offset);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_that_passed_the_offset_stops_the_projector() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(1).await, History::default());
    broker.send((0..10).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
    stands_at(&sink, &broker, 2).await;
    testkit::records_deleted(&broker.topic, 0, 5).await;

    let error = broker.member(&sink, &history, GroupProtocol::Consumer).await.failed().await;
    assert!(
        matches!(error, ProjectorError::OffsetGone { partition: 0, offset: 2, first: 5, end: 10, .. }),
        "{error}"
    );
    assert!(sink.rows().await.is_empty());
    assert_eq!(sink.next_offset(&broker.topic, 0).await, 2, "it stands where it stood");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_that_the_topic_does_not_have_stops_the_projector() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(1).await, History::default());
    broker.send([history.started(0, "r")]).await;
    stands_at(&sink, &broker, 500).await;
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    let error = member.failed().await;
    assert!(
        matches!(error, ProjectorError::OffsetGone { partition: 0, offset: 500, first: 0, end: 1, .. }),
        "{error}"
    );
}

/// Fills a topic made anew with other records, up to where the views are and beyond.
async fn made_anew(broker: &Broker) {
    testkit::topic_made_anew(&broker.topic, broker.partitions).await;
    let mut other = History::default();
    broker.send((20..40).map(|n| other.started(n, "another")).collect::<Vec<_>>()).await;
}

/// The projector ends, saying which record is another one, and has applied nothing of it.
async fn notices(member: Member, sink: &PostgresSink, broker: &Broker, history: &History) {
    let error = member.failed().await;
    assert!(matches!(error, ProjectorError::OtherTopic { partition: 0, offset: 9, .. }), "{error}");
    assert_eq!(sink.rows().await, history.rows());
    assert_eq!(sink.next_offset(&broker.topic, 0).await, 10, "it stands where it stood");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_that_has_reached_the_offset_again_stops_the_projector() {
    let (sink, broker, history) = ten_are_applied().await;
    made_anew(&broker).await;
    for protocol in [GroupProtocol::Consumer, GroupProtocol::Classic] {
        let member = broker.member(&sink, &history, protocol).await;
        notices(member, &sink, &broker, &history).await;
    }
}

/// The topic is made anew while it is read. Answers what its reader ended with.
async fn made_anew_under(protocol: GroupProtocol) -> ProjectorError {
    let (sink, broker, history) = ten_are_applied().await;
    let member = broker.member(&sink, &history, protocol).await;
    member.is_current().await;
    made_anew(&broker).await;
    let noticed = member.failed().await;
    // Whatever it has read meanwhile, the next one does not take the topic for the one that was read.
    let error = broker.member(&sink, &history, protocol).await.failed().await;
    assert!(matches!(error, ProjectorError::OtherTopic { partition: 0, offset: 9.., .. }), "{error}");
    noticed
}

/// The coordinator knows topics by their ids: it may take the partition away and give it again before its reader asks for the
/// id, and then the reader finds another record before its offset, or the topic still shorter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_under_a_running_projector_stops_it_by_the_consumer_protocol() {
    let error = made_anew_under(GroupProtocol::Consumer).await;
    let is_seen = matches!(
        error,
        ProjectorError::TopicMadeAnew { .. }
            | ProjectorError::OtherTopic { partition: 0, offset: 9, .. }
            | ProjectorError::OffsetGone { partition: 0, offset: 10, first: 0, end: ..10, .. }
    );
    assert!(is_seen, "{error}");
}

/// Who is given nothing anew finds it out by the id alone: by this protocol, a topic is missed after half a minute only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_under_a_running_projector_stops_it_by_the_classic_protocol() {
    let error = made_anew_under(GroupProtocol::Classic).await;
    assert!(matches!(error, ProjectorError::TopicMadeAnew { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_that_holds_no_record_any_more_stops_the_projector() {
    for goes_on in [false, true] {
        let (sink, broker, history) = ten_are_applied().await;
        testkit::topic_made_anew(&broker.topic, 1).await;
        // Nine records and the mark of their transaction: offset 9 holds none.
        let mut other = History::default();
        broker
            .send_in_transaction((20..29).map(|n| other.started(n, "another")).collect::<Vec<_>>(), true)
            .await;
        if goes_on {
            broker.send((30..40).map(|n| other.started(n, "another")).collect::<Vec<_>>()).await;
        }
        let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
        notices(member, &sink, &broker, &history).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_that_took_all_that_was_applied_and_no_more_stops_nothing() {
    let (sink, broker, mut history) = ten_are_applied().await;
    testkit::records_deleted(&broker.topic, 0, 10).await;
    broker.send((0..10).map(|n| history.called(n, 1)).collect::<Vec<_>>()).await;
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    broker.applied(&sink, &history).await;
    member.has_counted(10).await;
    assert_eq!(member.metrics.clients_rebuilt.get(), 0);
    member.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_cannot_be_claimed_holds_the_partition_and_starts_it_in_the_right_place() {
    let (sink, broker, mut history) = ten_are_applied().await;
    broker.send((0..10).map(|n| history.called(n, 1)).collect::<Vec<_>>()).await;
    // Somebody holds the offset's row for longer than the callback and the lock's limit.
    let mut stalled = sink.connect("owner").await;
    let mut open = stalled.begin().await.unwrap();
    sqlx::query("lock table projection_offset").execute(&mut *open).await.unwrap();
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    testkit::eventually("a claim fails", BOUND, async || member.metrics.transient_faults.get() >= 2).await;
    open.rollback().await.unwrap();
    broker.applied(&sink, &history).await;
    member.has_counted(10).await;
    assert_eq!(member.metrics.clients_rebuilt.get(), 0);
    member.leave().await;
}

/// A sink that takes its time.
struct Slow {
    sink: PostgresViews<Tally>,
    commits: u32,
}

impl ViewStore<Tally> for Slow {
    type Error = Error;

    async fn claim(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Claim>, Error> {
        self.sink.claim(topic, partitions).await
    }

    async fn renew(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<Claim>, Error> {
        self.sink.renew(topic, held).await
    }

    async fn load(&mut self, keys: &[(i32, RowKey)]) -> Result<Vec<Loaded<TallyView>>, Error> {
        self.sink.load(keys).await
    }

    async fn commit(&mut self, changes: &Changes<TallyView>) -> Result<Committed, Error> {
        self.commits += 1;
        if self.commits.is_multiple_of(4) && self.commits < 20 {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        self.sink.commit(changes).await
    }

    async fn inspect(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<i32>, Error> {
        self.sink.inspect(topic, held).await
    }

    async fn requests(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Request>, Error> {
        self.sink.requests(topic, partitions).await
    }

    async fn parked(
        &mut self,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        limit: usize,
    ) -> Result<Vec<ParkedRecord>, Error> {
        self.sink.parked(topic, partition, key, limit).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_sink_pauses_the_partitions_and_nothing_is_skipped_or_read_twice() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(2).await, History::default());
    broker.send((0..20).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
    for _ in 0..20 {
        broker.send((0..20).map(|n| history.called(n, 1)).collect::<Vec<_>>()).await;
    }
    let (_, mut config, _) = Broker::settings();
    (config.queue_records_max, config.batch_records_max) = (8, 5);
    let member = broker.member_with(Slow { sink: sink.open().await, commits: 0 }, &history, config);
    broker.applied(&sink, &history).await;
    member.has_counted(420).await;
    assert!(member.metrics.pauses.get() > 0, "the queue was full for long");
    member.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_partition_shows_its_lag() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(1).await, History::default());
    broker.send(["a", "b"].map(History::garbage)).await;
    let (_, mut config, _) = Broker::settings();
    config.parked_keys_max = 1;
    let member = broker.member_with(sink.open().await, &history, config);
    let stopped = member.metrics.stopped.with_label_values(&["0"]);
    testkit::eventually("the partition stops", BOUND, async || stopped.get() == 1).await;
    broker.send((0..10).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
    let lag = member.metrics.lag.with_label_values(&["0"]);
    testkit::eventually("the lag is seen", BOUND, async || lag.get() == 11).await;
    testkit::eventually("and its age", BOUND, async || member.metrics.lag_seconds.get() > 0.0).await;
    member.leave().await;
}
