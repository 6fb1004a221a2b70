//! Offsets that somebody sets while a living owner is at work.

use kafka::GroupProtocol;
use kafka::conformance::{History, Sink};

use crate::broker::{BOUND, Broker};
use crate::sink::PostgresSink;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_set_to_the_beginning_under_its_owner_has_everything_read_again_and_changes_nothing() {
    let (sink, broker, mut history) = (PostgresSink::new().await, Broker::new(1).await, History::default());
    let member = broker.member(&sink, &history, GroupProtocol::Consumer).await;
    let mut records: Vec<_> = (0..10).map(|n| history.started(n, "r")).collect();
    records.extend((0..100).map(|i| history.called(i % 10, 2)));
    records.extend([history.cancelled(9), History::garbage("nobody's")]);
    broker.send(records).await;
    broker.applied(&sink, &history).await;
    testkit::eventually("all is read", BOUND, async || broker.next_offset(&sink).await == 112).await;
    let parked = sink.parked().await;
    assert_eq!(parked.len(), 1);

    let mut again = 0;
    for before in [111, 112] {
        sink.execute("owner", "update projection_offset set next_offset = 0").await.unwrap();
        broker.send([history.called(0, 1)]).await; // A flush finds out.
        again += before;
        testkit::eventually("everything is read again", BOUND, async || member.metrics.stale.get() == again)
            .await;
        broker.applied(&sink, &history).await;
        assert_eq!(broker.next_offset(&sink).await as u64, before + 2);
        assert_eq!(sink.parked().await, parked);
    }
    assert_eq!(member.metrics.fence_rejections.get(), 2);
    member.leave().await;
}
