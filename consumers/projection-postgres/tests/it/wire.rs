//! The wire to Postgres breaks where it hurts most: at a commit.

use kafka::conformance::{History, Rig, Sink, Topic};
use testkit::Lost::{Answer, Statement};
use testkit::eventually;

use crate::broker::BOUND;
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
