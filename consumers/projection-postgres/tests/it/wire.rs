//! The wire to Postgres is long, or breaks where it hurts most: at a commit, and when partitions are to be claimed.

use std::time::{Duration, Instant};

use kafka::GroupProtocol::{Classic, Consumer};
use kafka::conformance::{History, Rig, Sink, Topic};
use testkit::Lost::{Answer, Statement};
use testkit::{PostgresProxy, eventually};

use crate::broker::{BOUND, Broker};
use crate::sink::PostgresSink;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_cut_on_the_wire_is_neither_repeated_nor_skipped() {
    let sink = PostgresSink::new().await;
    let (proxy, store) = sink.proxied().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..8).map(|n| history.started(n, "r")));
    let rig = Rig::start(store, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    let mut lost = 0;
    // The second of two is the commit of the renewed claim.
    for cut in [&[Answer][..], &[Statement], &[Answer, Answer], &[Statement, Statement], &[Answer, Statement]]
    {
        proxy.lose("COMMIT", cut);
        lost += cut.len();
        topic.append(0, (0..40).map(|i| history.called(i % 8, 3)));
        eventually("the wire is cut", BOUND, async || proxy.lost() == lost).await;
        topic.append(0, (0..8).map(|n| history.called(n, 5)));
        rig.caught_up(&sink, &[0]).await;
        assert_eq!(sink.rows().await, history.rows());
        assert_eq!(sink.totals().await.unwrap(), History::totals(&history.rows()));
    }
    assert!(rig.metrics().transient_faults.get() >= lost as u64, "each was noticed");
    assert_eq!(rig.metrics().stale.get(), 0, "nothing was read again that is applied");
    assert!(sink.parked().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_refused_while_partitions_are_assigned_are_waited_for_and_they_start_in_the_right_place()
{
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(3).await, History::default());
    broker.send((0..20).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
    let member = broker.member(&sink, &history, Consumer).await;
    broker.applied(&sink, &history).await;
    member.leave().await;
    for protocol in [Consumer, Classic] {
        broker.send((0..20).map(|n| history.called(n, 1)).collect::<Vec<_>>()).await;
        let (mut proxy, store) = sink.proxied().await;
        proxy.close().await;
        let (_, mut config, _) = Broker::settings();
        config.group_protocol = protocol;
        let member = broker.member_with(store, &history, config);
        let faults = &member.metrics.transient_faults;
        eventually("claims fail", BOUND, async || faults.get() >= 2).await;
        proxy.open();
        broker.applied(&sink, &history).await;
        member.has_counted(20).await;
        assert_eq!(member.metrics.clients_rebuilt.get(), 0);
        member.leave().await;
    }
    assert!(sink.parked().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_far_away_takes_a_backlog_and_is_not_taken_for_one_that_fails() {
    const ONE_WAY: Duration = Duration::from_millis(20);
    const KEYS: u128 = 120;
    let partitions: Vec<i32> = (0..6).collect();
    let sink = PostgresSink::new().await;
    let proxy = PostgresProxy::before(&sink.url("views_writer")).delayed(ONE_WAY);
    let (topic, mut history) = (Topic::default(), History::default());
    let lies_in = |n: u128| i32::try_from(n % 6).unwrap();
    for n in 0..KEYS {
        topic.append(lies_in(n), [history.started(n, "r")]);
    }
    let rig = Rig::start(PostgresSink::open_by(&proxy).await, &topic, &history);
    let begun = Instant::now();
    rig.assign(&partitions).await;
    for _ in 0..4 {
        for i in 0..10 * KEYS {
            topic.append(lies_in(i % KEYS), [history.called(i % KEYS, 3)]);
        }
        rig.caught_up(&sink, &partitions).await;
        assert_eq!(sink.rows().await, history.rows());
        assert_eq!(sink.totals().await.unwrap(), History::totals(&history.rows()));
    }
    let trips = u32::try_from(proxy.round_trips()).unwrap();
    assert!(trips > 0 && begun.elapsed() >= trips * 2 * ONE_WAY, "{trips} times there and back");
    assert_eq!((rig.metrics().transient_faults.get(), rig.metrics().stale.get()), (0, 0));
    assert!(sink.parked().await.is_empty());
}
