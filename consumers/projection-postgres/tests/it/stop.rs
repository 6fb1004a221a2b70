//! A member that is told to stop ends, whatever it is at, and leaves the offset where the rows are.

use kafka::GroupProtocol;
use kafka::conformance::{History, Sink};
use sqlx::Connection;

use crate::broker::{BOUND, Broker};
use crate::sink::PostgresSink;

const RECORDS: u64 = 6_000;

/// How many events the rows have taken in; each of them is at the version of the last.
async fn taken_in(sink: &PostgresSink) -> u64 {
    sink.rows().await.values().map(|row| row.version).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_with_a_backlog_leaves_the_offsets_where_the_rows_are() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(3).await, History::default());
    broker.send((0..30).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
    broker.send((30..RECORDS.into()).map(|i| history.called(i % 30, 1)).collect::<Vec<_>>()).await;
    let mut applied = 0;
    for asked in [1, 2] {
        let (_, mut config, _) = Broker::settings();
        (config.batch_records_max, config.queue_records_max) = (20, 200);
        let member = broker.member_with(sink.open().await, &history, config);
        let metrics = member.metrics.clone();
        testkit::eventually("some of the backlog is applied", BOUND, async || metrics.applied.get() > 200)
            .await;
        for _ in 0..asked {
            member.stop();
        }
        member.leave().await;
        applied += metrics.applied.get();
        assert_eq!(metrics.stale.get(), 0, "asked {asked} times");
        assert!(applied < RECORDS, "the backlog is done, the stop met nothing");
        assert_eq!(taken_in(&sink).await, applied, "asked {asked} times");
        assert_eq!(broker.next_offset(&sink).await, applied as i64, "asked {asked} times");
    }
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    broker.applied(&sink, &history).await;
    member.has_counted(RECORDS - applied).await;
    member.leave().await;
    assert!(sink.parked().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_during_a_claim_is_not_held_up_by_it_and_moves_nothing() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(1).await, History::default());
    broker.send((0..10).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    broker.applied(&sink, &history).await;
    member.leave().await;
    let rows = sink.rows().await;
    broker.send((0..10).map(|n| history.called(n, 1)).collect::<Vec<_>>()).await;

    for protocol in [GroupProtocol::Consumer, GroupProtocol::Classic] {
        let mut stalled = sink.connect("owner").await;
        let mut open = stalled.begin().await.unwrap();
        sqlx::query("lock table projection_offset in exclusive mode").execute(&mut *open).await.unwrap();
        let member = broker.member(&sink, &history, protocol).await;
        testkit::eventually("a claim waits for the lock", BOUND, async || {
            let waiting = "select count(*) from pg_locks join pg_stat_activity using (pid)
                           where not granted and datname = current_database()";
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut *open).await.unwrap() > 0
        })
        .await;
        member.leave().await;
        open.rollback().await.unwrap();
        assert_eq!(sink.rows().await, rows);
        assert_eq!(broker.next_offset(&sink).await, 10);
    }
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    broker.applied(&sink, &history).await;
    member.has_counted(10).await;
    member.leave().await;
    assert!(sink.parked().await.is_empty());
}
