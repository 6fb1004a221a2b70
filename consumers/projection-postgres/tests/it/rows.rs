//! Data that Postgres refuses, and rows that are not as they were read.

use kafka::conformance::{History, Rig, Sink, Topic, settings};

use crate::broker::BOUND;
use crate::sink::PostgresSink;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_row_among_a_thousand_parks_alone() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..700).map(|n| history.started(n, "r")).collect::<Vec<_>>());
    let mut expected = history.rows();
    // A NUL byte, which no text of Postgres holds; and a check constraint of the table.
    topic.append(0, [history.started(1000, "a\0b")]);
    topic.append(0, (700..998).map(|n| history.started(n, "r")).collect::<Vec<_>>());
    topic.append(0, [history.called(4, 1_000_000_000)]);
    expected.extend(
        history.rows().into_iter().filter(|(key, _)| *key != History::row(1000) && *key != History::row(4)),
    );

    let mut config = settings();
    config.batch_records_max = 1_000;
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, expected);
    let parked: Vec<_> = sink.parked().await.into_iter().map(|p| (p.reason, p.offsets)).collect();
    assert_eq!(parked, [("unstorable".to_owned(), vec![700]), ("unstorable".to_owned(), vec![999])]);
    let flushes = rig.metrics().flushes.get();
    assert!(flushes < 60, "halving took {flushes} transactions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_became_storable_is_redriven() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.called(0, 1_000_000_000), history.called(0, 1)]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    sink.redrive(&History::key(0)).await;
    testkit::eventually("the redrive stops", BOUND, async || sink.parked().await[0].state == "parked").await;
    assert_eq!(sink.parked().await[0].reason, "unstorable");
    sink.execute("owner", "alter table tally drop constraint tally_tokens_are_few").await.unwrap();
    sink.redrive(&History::key(0)).await;
    testkit::eventually("nothing is parked", BOUND, async || sink.parked().await.is_empty()).await;
    assert_eq!(sink.rows().await, history.rows());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_else_changed_is_read_again() {
    // Few rows go another way into the table than many.
    for others in [1, 100] {
        let sink = PostgresSink::new().await;
        let (topic, mut history) = (Topic::default(), History::default());
        topic.append(0, (0..=others).map(|n| history.started(n, "r")).collect::<Vec<_>>());
        let rig = Rig::start(sink.open().await, &topic, &history);
        rig.assign(&[0]).await;
        rig.caught_up(&sink, &[0]).await;
        // Behind the owner's back the next version is there already; what the owner remembers is not true any more.
        let next: Vec<_> = (0..=others).map(|n| history.called(n, 5)).collect();
        let sum = history.rows()[&History::row(0)].sum;
        let sql = format!(
            "update tally set version = 2, events_sum = '\\x{sum}', steps = 1, tokens = 5, trail = '1,'
             where tenant_id = 'acme' and aggregate_id = '018f0000-0000-0000-0000-000000000000'"
        );
        sink.execute("views_writer", &sql).await.unwrap();
        topic.append(0, next);
        rig.caught_up(&sink, &[0]).await;
        assert_eq!(sink.rows().await, history.rows());
        assert!(rig.metrics().transient_faults.get() >= 1, "the flush was rolled back as a whole");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_moved_to_another_partition_is_not_applied_out_of_order() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.called(0, 1)]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0, 1]).await;
    rig.caught_up(&sink, &[0]).await;
    let expected = history.rows();
    topic.append(1, [history.called(0, 1)]);
    rig.caught_up(&sink, &[0, 1]).await;
    assert_eq!(sink.rows().await, expected);
    assert_eq!(sink.parked().await[0].reason, "foreign_partition");
}
