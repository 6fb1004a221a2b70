//! Each event takes effect once, whatever happens on the way.

use super::{Flaky, History, Rig, Sink, Topic};

/// Rows and totals are those of the whole history.
async fn holds(sink: &impl Sink, history: &History) {
    let expected = history.rows();
    assert_eq!(sink.rows().await, expected, "rows");
    if let Some(totals) = sink.totals().await {
        assert_eq!(totals, History::totals(&expected), "totals");
    }
}

/// Create, update and delete in one flush.
pub async fn events_of_one_key_in_one_batch_apply_in_order(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    for n in 0..4 {
        let mut records = vec![history.started(n, "django")];
        records.extend((0..20).map(|step| history.called(n, step)));
        if n == 3 {
            records.push(history.cancelled(n));
        }
        topic.append(0, records);
    }
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    holds(sink, &history).await;
    super::until("85 are counted as applied, no more", async || rig.metrics().applied.get() == 85).await;
}

/// A connector that crashed sends its last records again, mixed with new ones.
pub async fn duplicates_at_new_offsets_change_nothing(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    let mut first: Vec<_> = (0..6).map(|n| history.started(n, "sympy")).collect();
    first.extend((0..60).map(|i| history.called(i % 6, 7)));
    topic.append(0, first.clone());
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    holds(sink, &history).await;
    for (i, again) in first.split_off(20).into_iter().enumerate() {
        topic.append(0, [again, history.called(i as u128 % 6, 1)]);
    }
    rig.caught_up(sink, &[0]).await;
    holds(sink, &history).await;
    super::until("46 are counted as stale, no more", async || rig.metrics().stale.get() == 46).await;
    assert!(sink.parked().await.is_empty());
}

/// The version of a deletion is remembered.
pub async fn a_deleted_row_is_not_raised_by_a_duplicate(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    let records = [history.started(0, "r"), history.called(0, 5), history.cancelled(0)];
    topic.append(0, records.clone());
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    drop(rig);
    topic.append(0, records);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    holds(sink, &history).await;
    assert_eq!(sink.rows().await[&History::row(0)].view, None);
    super::until("3 are counted as stale, no more", async || rig.metrics().stale.get() == 3).await;
}

/// Owners die without a word, again and again, while records arrive; the next one takes over.
pub async fn a_successor_goes_on_where_a_crashed_owner_got_to(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    for n in 0..10 {
        topic.append(i32::from(n % 2 == 1), [history.started(n, "r")]);
    }
    for round in 0..5_i64 {
        let rig = Rig::start(sink.open().await, &topic, &history);
        rig.assign(&[0, 1]).await;
        for i in 0..400_u128 {
            let n = i % 10;
            topic.append(i32::from(n % 2 == 1), [history.called(n, round)]);
        }
        if round == 4 {
            rig.caught_up(sink, &[0, 1]).await;
        } else {
            super::until("some of it is applied", async || rig.metrics().applied.get() > 100).await;
        }
    }
    holds(sink, &history).await;
}

/// Answers get lost before and after the sink has applied them.
pub async fn outcomes_that_are_not_known_are_neither_repeated_nor_skipped(sink: &impl Sink) {
    let (topic, mut history) = (Topic::default(), History::default());
    let rig = Rig::start(Flaky::new(sink.open().await), &topic, &history);
    rig.assign(&[0, 1]).await;
    for round in 0..6 {
        for n in 0..8 {
            let record = if round == 0 { history.started(n, "r") } else { history.called(n, 3) };
            topic.append(i32::from(n % 2 == 1), [record]);
        }
        rig.caught_up(sink, &[0, 1]).await;
        holds(sink, &history).await;
    }
    assert!(rig.metrics().transient_faults.get() >= 6, "answers were lost");
    assert!(sink.parked().await.is_empty(), "trouble of the sink parks nothing");
}
