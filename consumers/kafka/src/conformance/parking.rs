//! What cannot be applied waits in order, and everything else flows.

use std::collections::BTreeMap;

use projection::Row;

use super::tally::TallyView;
use super::{History, Parked, Rig, Sink, Topic, settings, until};
use crate::store::RowKey;

type Rows = BTreeMap<RowKey, Row<TallyView>>;

async fn holds(sink: &impl Sink, expected: &Rows) {
    assert_eq!(&sink.rows().await, expected, "rows");
    if let Some(totals) = sink.totals().await {
        assert_eq!(totals, History::totals(expected), "totals");
    }
}

async fn owner(sink: &impl Sink, topic: &Topic, history: &History) -> Rig {
    let rig = Rig::start(sink.open().await, topic, history);
    rig.assign(&[0]).await;
    rig
}

async fn parked(sink: &impl Sink) -> Vec<(String, Vec<i64>)> {
    sink.parked().await.into_iter().map(|Parked { reason, offsets, .. }| (reason, offsets)).collect()
}

/// Waits until no request is open any more.
async fn answered(sink: &impl Sink) {
    until("the owner answers", async || sink.parked().await.iter().all(|key| key.state == "parked")).await;
}

async fn nothing_is_parked(sink: &impl Sink) {
    until("nothing is parked", async || sink.parked().await.is_empty()).await;
}

/// A version is missing: its key waits, its neighbours do not.
pub async fn a_gap_parks_its_key_and_others_flow(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.started(2, "r")]);
    let before = history.rows()[&History::row(0)].clone();
    let _lost = history.called(0, 1);
    topic.append(0, [history.called(0, 2), history.called(2, 5), history.called(0, 3)]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await, [("gap".to_owned(), vec![2, 4])]);
    let mut expected = history.rows();
    expected.insert(History::row(0), before);
    holds(sink, &expected).await;
    until("1 are counted as gaps, no more", async || rig.metrics().gaps.get() == 1).await;
}

/// The missing version is delivered after all; redrive goes by version, not by where records lay.
pub async fn a_missing_version_that_comes_late_heals_the_gap(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r")]);
    let late = history.called(0, 1);
    topic.append(0, [history.called(0, 2), history.called(0, 3), late]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await, [("gap".to_owned(), vec![3, 1, 2])]);
    sink.redrive(&History::key(0)).await;
    nothing_is_parked(sink).await;
    holds(sink, &history.rows()).await;
}

/// An undecodable record, then a thousand good ones of its key and of others; a new owner does not forget.
pub async fn a_parked_key_keeps_its_order(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.started(2, "r")]);
    let stuck = history.rows()[&History::row(0)].clone();
    let key = History::key(0).to_string();
    topic.append(0, [History::garbage(&key)]);
    for _ in 0..500 {
        topic.append(0, [history.called(0, 1), history.called(2, 1)]);
    }
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    drop(rig);
    topic.append(0, [history.called(0, 9), history.called(2, 9)]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    let offsets: Vec<i64> = [2].into_iter().chain((3..1005).step_by(2)).collect();
    assert_eq!(parked(sink).await, [("undecodable".to_owned(), offsets)]);
    let mut expected = history.rows();
    expected.insert(History::row(0), stuck);
    holds(sink, &expected).await;

    sink.discard_first(&History::key(0), true).await;
    nothing_is_parked(sink).await;
    holds(sink, &history.rows()).await;
}

/// Nothing tells the next event of a parked key from one that may be applied but that the key is parked.
pub async fn a_parked_key_is_remembered_by_the_next_owner(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r")]);
    let stuck = history.rows();
    topic.append(0, [History::garbage(&History::key(0).to_string())]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    drop(rig);
    topic.append(0, [history.called(0, 1)]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await, [("undecodable".to_owned(), vec![1, 2])]);
    holds(sink, &stuck).await;
}

/// While parked events are worked off, new ones of the same key arrive and queue up behind.
pub async fn a_redrive_keeps_order_while_live_events_arrive(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r")]);
    let late = history.called(0, 1);
    topic.append(0, (0..700).map(|_| history.called(0, 2)).collect::<Vec<_>>());
    topic.append(0, [late]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    sink.redrive(&History::key(0)).await;
    for _ in 0..300 {
        topic.append(0, [history.called(0, 3)]);
        tokio::task::yield_now().await;
    }
    rig.caught_up(sink, &[0]).await;
    nothing_is_parked(sink).await;
    topic.append(0, [history.called(0, 4)]);
    rig.caught_up(sink, &[0]).await;
    holds(sink, &history.rows()).await;
    until("1003 are counted as applied, no more", async || rig.metrics().applied.get() == 1003).await;
}

/// An owner that has worked off the first of 1501 parked events of one key.
async fn in_the_middle_of_a_redrive(sink: &impl Sink, topic: &Topic, history: &mut History) -> Rig {
    topic.append(0, [history.started(0, "r")]);
    let late = history.called(0, 1);
    topic.append(0, (0..1500).map(|_| history.called(0, 2)).collect::<Vec<_>>());
    topic.append(0, [late]);
    let rig = owner(sink, topic, history).await;
    rig.caught_up(sink, &[0]).await;
    sink.redrive(&History::key(0)).await;
    until("the first chunk is done", async || rig.metrics().released.get() > 0).await;
    rig
}

/// The owner dies while it works parked events off; the next one finds the request and finishes.
pub async fn a_redrive_survives_the_death_of_its_owner(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    let rig = in_the_middle_of_a_redrive(sink, &topic, &mut history).await;
    drop(rig);
    topic.append(0, [history.called(0, 3)]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    nothing_is_parked(sink).await;
    holds(sink, &history.rows()).await;
}

/// The partition is taken over while its owner works parked events off; each of them takes effect by one of the two.
pub async fn a_redrive_survives_a_change_of_owner(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    let first = in_the_middle_of_a_redrive(sink, &topic, &mut history).await;
    let second = owner(sink, &topic, &history).await;
    nothing_is_parked(sink).await;
    topic.append(0, [history.called(0, 3)]);
    second.caught_up(sink, &[0]).await;
    holds(sink, &history.rows()).await;
    let released = || first.metrics().released.get() + second.metrics().released.get();
    until("1501 are counted as released, no more", async || released() == 1501).await;
}

/// What comes before the failure takes effect, what comes after waits on.
pub async fn a_redrive_stops_at_the_event_that_fails(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r")]);
    let late = history.called(0, 1);
    topic.append(0, [history.called(0, 2), history.called(0, 3)]);
    let reached = history.rows()[&History::row(0)].clone();
    topic.append(0, [history.called(0, -1), history.called(0, 4), late]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    for _ in 0..2 {
        sink.redrive(&History::key(0)).await;
        answered(sink).await;
        assert_eq!(parked(sink).await, [("refused".to_owned(), vec![3, 4])]);
        assert_eq!(sink.rows().await[&History::row(0)], reached);
    }
}

/// The refused event is done without: its version passes, its effect does not happen, and a replay knows it.
pub async fn a_discard_moves_the_version_without_effect(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(
        0,
        [history.started(0, "r"), history.called(0, 5), history.called(0, -1), history.called(0, 6)],
    );
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await, [("refused".to_owned(), vec![2, 3])]);
    sink.discard_first(&History::key(0), false).await;
    nothing_is_parked(sink).await;
    let expected = history.rows_without(&[(0, 3)]);
    holds(sink, &expected).await;
    assert_eq!(sink.decisions().await, (1, 0));

    drop(rig);
    topic.append(0, [history.called(0, 7)]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    holds(sink, &history.rows_without(&[(0, 3)])).await;
}

/// A record that is nobody's event.
pub async fn a_foreign_record_is_discarded_without_moving_a_version(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), History::garbage("poison"), history.called(0, 5)]);
    let rig = owner(sink, &topic, &history).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await, [("undecodable".to_owned(), vec![1])]);
    sink.discard_first(&crate::ParkKey::of(Some(b"poison")), false).await;
    nothing_is_parked(sink).await;
    holds(sink, &history.rows()).await;
    assert_eq!(sink.decisions().await, (0, 1));
}

/// The operator's switch: the event parks with its successors; once it is cleared, redrive applies them.
pub async fn what_was_told_to_be_refused_is_applied_once_it_is_allowed(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(
        0,
        [history.started(0, "r"), history.called(0, 1), history.called(0, 2), history.started(2, "r")],
    );
    let mut config = settings();
    config.refuse_events = vec![history.event_id(0, 2)];
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await, [("told_to_refuse".to_owned(), vec![1, 2])]);
    sink.redrive(&History::key(0)).await;
    answered(sink).await;
    assert_eq!(parked(sink).await, [("told_to_refuse".to_owned(), vec![1, 2])], "the switch is still on");

    drop(rig);
    let _rig = owner(sink, &topic, &history).await;
    sink.redrive(&History::key(0)).await;
    nothing_is_parked(sink).await;
    holds(sink, &history.rows()).await;
}

/// Parking is bounded: one key too many stops the partition, loudly, and nothing more parks; making room lets it go
/// on by itself.
pub async fn the_bound_of_parked_keys_stops_the_partition(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, ["a", "b", "c"].map(History::garbage));
    topic.append(0, [history.started(0, "r")]);
    let mut config = settings();
    config.parked_keys_max = 2;
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config);
    rig.assign(&[0]).await;
    stops(&rig).await;
    assert_eq!(parked(sink).await.len(), 2);
    assert_eq!(sink.next_offset(topic.name(), 0).await, 2, "it stands before the record that has no room");

    sink.discard_first(&crate::ParkKey::of(Some(b"a")), true).await;
    rig.caught_up(sink, &[0]).await;
    goes_on(&rig).await;
    holds(sink, &history.rows()).await;
    assert_eq!(parked(sink).await.len(), 2);
}

/// A bad deploy: everything fails. The partition stops before it has parked the world; a good deploy goes on.
pub async fn failures_in_a_row_stop_the_partition(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    let records: Vec<_> = (0..20).map(|n| history.started(n, "r")).collect();
    topic.append(0, records);
    let mut config = settings();
    config.failures_in_a_row_max = 3;
    let knows_nothing = wire::Decoder::with_schemas([]).expect("no schema is a valid set");
    let rig = Rig::with(sink.open().await, &topic, knows_nothing, config.clone());
    rig.assign(&[0]).await;
    stops(&rig).await;
    assert_eq!(parked(sink).await.len(), 3);
    assert_eq!(sink.next_offset(topic.name(), 0).await, 3);
    drop(rig);

    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    for n in 0..3 {
        sink.redrive(&History::key(n)).await;
    }
    nothing_is_parked(sink).await;
    holds(sink, &history.rows()).await;
}

/// One tenant's bad data take up its own room alone: others park on, and its next key stops the partition.
pub async fn the_bound_of_one_tenants_parked_keys_stops_the_partition(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    let mut bad = |n| [history.started(n, "r"), history.called(n, -1)];
    topic.append(0, [bad(0), bad(1), bad(2), bad(3)].concat());
    let mut config = settings();
    config.tenant_parked_keys_max = 2;
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config.clone());
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await.len(), 4, "two of each tenant");
    drop(rig);

    let mut bad = |n| [history.started(n, "r"), history.called(n, -1)];
    topic.append(0, bad(4));
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config);
    rig.assign(&[0]).await;
    stops(&rig).await;
    assert_eq!(parked(sink).await.len(), 4);
    assert_eq!(sink.next_offset(topic.name(), 0).await, 9, "it stands before the record that has no room");

    sink.discard_first(&History::key(1), false).await;
    until("another tenant's key goes", async || parked(sink).await.len() == 3).await;
    assert_eq!(sink.next_offset(topic.name(), 0).await, 9, "that makes no room for this one");
    sink.discard_first(&History::key(0), false).await;
    rig.caught_up(sink, &[0]).await;
    goes_on(&rig).await;
    assert_eq!(parked(sink).await.len(), 3);
}

/// Records count, too: a key that parked long ago fills its tenant's room with what comes behind.
pub async fn the_bound_of_one_tenants_parked_records_stops_the_partition(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.called(0, -1), history.called(0, 1)]);
    topic.append(0, [history.started(1, "r"), history.called(1, -1), history.called(1, 1)]);
    topic.append(0, [history.called(0, 2)]);
    let mut config = settings();
    config.tenant_parked_events_max = 2;
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config);
    rig.assign(&[0]).await;
    stops(&rig).await;
    assert_eq!(sink.next_offset(topic.name(), 0).await, 6, "both tenants have two");
    sink.discard_first(&History::key(0), false).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await, [("refused".to_owned(), vec![4, 5])]);
}

/// A bad deploy that spares some events: too large a share of the last records fails, never many in a row.
pub async fn a_large_share_of_failures_stops_the_partition(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    for n in (0..30).step_by(3) {
        topic.append(0, [history.started(n, "r"), history.called(n, 1), history.called(n, -1)]);
    }
    let mut config = settings();
    (config.failures_window, config.failures_percent_max) = (12, 42);
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config.clone());
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    assert_eq!(parked(sink).await.len(), 10, "one in three is no more than allowed");

    for n in (100..130).step_by(2) {
        topic.append(0, [history.started(n, "r"), history.called(n, -1)]);
    }
    stops(&rig).await;
    let parked_keys = parked(sink).await.len();
    assert!((11..20).contains(&parked_keys), "{parked_keys} keys are parked: one in two is too many");
    let stands_at = sink.next_offset(topic.name(), 0).await;
    assert!(stands_at < topic.end(0), "it stands before the record that was one too many");
}

async fn stops(rig: &Rig) {
    until("the partition stops", async || rig.metrics().stopped.with_label_values(&["0"]).get() == 1).await;
}

/// The sink has what it applied before the lane says so.
async fn goes_on(rig: &Rig) {
    until("the partition goes on", async || rig.metrics().stopped.with_label_values(&["0"]).get() == 0).await;
}
