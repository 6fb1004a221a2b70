//! Who may write: the store's own promises, asked of it directly.

use std::collections::BTreeMap;

use events::{Sum, Timestamp};
use projection::Row;

use super::tally::TallyView;
use super::{History, Sink};
use crate::changes::{Changes, Progress, RowChange, Source};
use crate::record::Fingerprint;
use crate::store::{Claim, Tenure, ViewStore};

pub(super) const TOPIC: &str = "tally.events";

/// An owner that lost its partition while it slept wakes up and writes.
pub async fn a_late_batch_of_a_zombie_changes_nothing(sink: &impl Sink) {
    let (mut zombie, mut owner) = (sink.open().await, sink.open().await);
    let old = zombie.claim(TOPIC, &[0]).await.expect("a claim");
    assert_eq!((old[0].epoch, old[0].next_offset), (1, 0));
    zombie.commit(&changes(&[(&old[0], 0, 2)])).await.expect("its own time");
    let new = owner.claim(TOPIC, &[0]).await.expect("a claim");
    assert_eq!((new[0].epoch, new[0].next_offset), (2, 2), "the successor starts where the zombie got to");

    let late = zombie.commit(&changes(&[(&old[0], 2, 5)])).await.expect("an answer, not an error");
    assert_eq!(late.fenced, [0]);
    assert_eq!(sink.next_offset(TOPIC, 0).await, 2);
    shows(sink, &[(0, 2)]).await;

    let done = owner.commit(&changes(&[(&new[0], 2, 3)])).await.expect("the owner writes");
    assert_eq!(done.fenced, [0; 0]);
    shows(sink, &[(0, 3)]).await;
}

/// One of three partitions is taken away between collecting and committing.
pub async fn a_lost_partition_does_not_hold_up_the_others(sink: &impl Sink) {
    let (mut owner, mut other) = (sink.open().await, sink.open().await);
    let claims = owner.claim(TOPIC, &[0, 1, 2]).await.expect("a claim");
    let claim = |partition| claims.iter().find(|c| c.partition == partition).expect("claimed");
    other.claim(TOPIC, &[1]).await.expect("a claim");
    let flush = changes(&[(claim(0), 0, 1), (claim(1), 0, 1), (claim(2), 0, 1)]);
    let committed = owner.commit(&flush).await.expect("an answer, not an error");
    assert_eq!(committed.fenced, [1]);
    let offsets = [
        sink.next_offset(TOPIC, 0).await,
        sink.next_offset(TOPIC, 1).await,
        sink.next_offset(TOPIC, 2).await,
    ];
    assert_eq!(offsets, [1, 0, 1]);
    shows(sink, &[(0, 1), (2, 1)]).await;
}

/// After a lost answer the owner asks again.
pub async fn a_renewal_keeps_what_is_ours_and_no_more(sink: &impl Sink) {
    let (mut owner, mut other) = (sink.open().await, sink.open().await);
    let claims = owner.claim(TOPIC, &[0, 1]).await.expect("a claim");
    let held: Vec<Tenure> =
        claims.iter().map(|claim| Tenure { partition: claim.partition, epoch: claim.epoch }).collect();
    other.claim(TOPIC, &[1]).await.expect("a claim");
    let renewed = owner.renew(TOPIC, &held).await.expect("a renewal");
    assert_eq!(renewed.iter().map(|c| c.partition).collect::<Vec<_>>(), [0]);
    assert!(renewed[0].epoch > held[0].epoch, "what the old connection has in flight is fenced off");
    let late = owner.commit(&changes(&[(&claims[0], 0, 1)])).await;
    assert_eq!(late.expect("an answer").fenced, [0], "under the old epoch");
    owner.commit(&changes(&[(&renewed[0], 0, 1)])).await.expect("under the new one");
    shows(sink, &[(0, 1)]).await;
}

/// Our epoch, but the sink stands elsewhere: it was reset, or lost its newest data.
pub async fn an_offset_that_is_elsewhere_is_refused(sink: &impl Sink) {
    let mut owner = sink.open().await;
    let claims = owner.claim(TOPIC, &[0]).await.expect("a claim");
    owner.commit(&changes(&[(&claims[0], 0, 2)])).await.expect("the first flush");
    let skipped = owner.commit(&changes(&[(&claims[0], 5, 7)])).await.expect("an answer");
    assert_eq!(skipped.fenced, [0]);
    assert_eq!(sink.next_offset(TOPIC, 0).await, 2);
    shows(sink, &[(0, 2)]).await;
}

/// Whoever reads on can see whether the topic still has what was read last.
pub async fn a_claim_tells_what_was_read_last(sink: &impl Sink) {
    let mut owner = sink.open().await;
    let claims = owner.claim(TOPIC, &[0, 1]).await.expect("a claim");
    assert_eq!(claims.iter().map(|claim| claim.fingerprint).collect::<Vec<_>>(), [None, None]);
    owner.commit(&changes(&[(&claims[0], 0, 2)])).await.expect("the first flush");
    owner.commit(&changes(&[(&claims[0], 2, 7)])).await.expect("the second");
    let held = [0, 1].map(|n| Tenure { partition: claims[n].partition, epoch: claims[n].epoch });
    let renewed = owner.renew(TOPIC, &held).await.expect("a renewal");
    let again = sink.open().await.claim(TOPIC, &[0, 1]).await.expect("a claim");
    for told in [renewed, again] {
        let told: BTreeMap<_, _> =
            told.iter().map(|it| (it.partition, (it.next_offset, it.fingerprint))).collect();
        assert_eq!(told, BTreeMap::from([(0, (7, Some(Fingerprint(-7)))), (1, (0, None))]));
    }
}

/// A flush that moves each partition's one row and offset: versions are offsets.
pub(super) fn changes(moves: &[(&Claim, i64, i64)]) -> Changes<TallyView> {
    let mut changes = Changes::new(TOPIC.into());
    for (claim, from, next_offset) in moves {
        let (partition, epoch) = (claim.partition, claim.epoch);
        let (from, next_offset) = (*from, *next_offset);
        let fingerprint = Some(Fingerprint(-next_offset));
        changes.progress.push(Progress { partition, epoch, from, next_offset, fingerprint });
        changes.rows.push(RowChange {
            key: History::row(u128::from(partition.unsigned_abs())),
            partition,
            old: row(from).into(),
            new: row(next_offset).into(),
            last: Source {
                offset: next_offset - 1,
                occurred_at: Timestamp::from_micros(1),
                recorded_at: Timestamp::from_micros(1),
            },
        });
    }
    changes.rows.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

fn row(version: i64) -> Row<TallyView> {
    let view = TallyView { repository: "r".into(), steps: version, tokens: 0, trail: String::new() };
    let sum = Sum::from_bytes(i128::from(version).to_be_bytes());
    Row { version: version.unsigned_abs(), view: (version > 0).then_some(view), sum, ..Row::default() }
}

/// The sink has these rows, and totals of these rows.
async fn shows(sink: &impl Sink, expected: &[(u128, i64)]) {
    let expected = rows(expected);
    assert_eq!(sink.rows().await, expected);
    if let Some(totals) = sink.totals().await {
        assert_eq!(totals, History::totals(&expected));
    }
}

fn rows(expected: &[(u128, i64)]) -> BTreeMap<crate::store::RowKey, Row<TallyView>> {
    expected.iter().map(|(n, version)| (History::row(*n), row(*version))).collect()
}
