//! Members that come and go, by either protocol and by both: partitions change hands, and every event is applied once.

use kafka::GroupProtocol::{self, Classic, Consumer};
use kafka::ProjectorConfig;
use kafka::conformance::{History, Sink};

use crate::broker::{Broker, Member};
use crate::sink::PostgresSink;

/// A group on a topic of six partitions, and what was sent to it.
struct Group {
    sink: PostgresSink,
    broker: Broker,
    history: History,
    sent: i64,
}

impl Group {
    async fn new() -> Self {
        let (sink, broker, mut history) =
            (PostgresSink::new().await, Broker::new(6).await, History::default());
        broker.send((0..24).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
        Self { sink, broker, history, sent: 24 }
    }

    async fn member(&self, protocol: GroupProtocol) -> Member {
        self.broker.member(&self.sink, &self.history, protocol).await
    }

    /// One that keeps its name when it comes back.
    async fn named(&self, instance: &str) -> Member {
        let config = ProjectorConfig { group_instance: Some(instance.to_owned()), ..Broker::settings().1 };
        self.broker.member_with(self.sink.open().await, &self.history, config)
    }

    async fn load(&mut self) {
        self.broker.send((0..240).map(|i| self.history.called(i % 24, 1)).collect::<Vec<_>>()).await;
        self.sent += 240;
    }

    /// Every event was applied once, and the offsets say so.
    async fn is_whole(&self) {
        self.broker.applied(&self.sink, &self.history).await;
        assert_eq!(self.broker.next_offset(&self.sink).await, self.sent);
        assert!(self.sink.parked().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_and_go_under_load_apply_everything_once() {
    let mut group = Group::new().await;
    let first = group.member(Consumer).await;
    first.owns(|count| count == 6).await;
    for _ in 0..3 {
        group.load().await;
        let second = group.member(Consumer).await;
        group.load().await;
        second.owns(|count| count == 3).await;
        group.load().await;
        second.leave().await;
    }
    group.is_whole().await;
    first.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_a_name_of_its_own_gets_its_partitions_back_and_nobody_is_told() {
    let mut group = Group::new().await;
    let stays = group.named("one").await;
    let comes_back = group.named("two").await;
    stays.owns(|count| count == 3).await;
    comes_back.owns(|count| count == 3).await;
    group.is_whole().await;
    let told = stays.metrics.rebalances.get();

    comes_back.leave().await;
    group.load().await;
    let back = group.named("two").await;
    back.owns(|count| count == 3).await;
    group.load().await;
    group.is_whole().await;
    assert_eq!((stays.metrics.partitions.get(), stays.metrics.rebalances.get()), (3, told));
    back.leave().await;
    stays.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_both_protocols_in_one_group_apply_everything_once() {
    let mut group = Group::new().await;
    let mut member = group.member(Classic).await;
    member.owns(|count| count == 6).await;
    // The group is converted when the first of the other protocol comes, and back when its last one goes.
    for protocol in [Consumer, Classic] {
        group.load().await;
        let other = group.member(protocol).await;
        group.load().await;
        other.owns(|count| count == 3).await;
        member.owns(|count| count == 3).await;
        group.load().await;
        assert_eq!(member.metrics.clients_rebuilt.get(), 0);
        member.leave().await;
        group.load().await;
        other.owns(|count| count == 6).await;
        group.is_whole().await;
        member = other;
    }
    assert_eq!(member.metrics.clients_rebuilt.get(), 0);
    member.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_by_the_classic_protocol_that_storm_in_leave_and_die_under_load_apply_everything_once() {
    let mut group = Group::new().await;
    let mut stays = group.member(Classic).await;
    stays.owns(|count| count == 6).await;
    for _ in 0..2 {
        group.load().await;
        let [leaves, dies, next] =
            [group.member(Classic).await, group.member(Classic).await, group.member(Classic).await];
        group.load().await;
        for member in [&leaves, &dies, &next] {
            member.owns(|count| count > 0).await;
        }
        group.load().await;
        dies.die().await;
        group.load().await;
        leaves.leave().await;
        group.load().await;
        stays.die().await;
        stays = next;
    }
    group.is_whole().await;
    stays.leave().await;
}
