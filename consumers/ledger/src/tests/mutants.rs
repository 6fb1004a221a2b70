//! A correct history passes; with any one corruption it does not, and the finding names the spot.

use proptest::prelude::*;

use super::histories::*;
use crate::{Kind, Stage, Verdict};

const SINK: Stage = Stage::Sink("outputs-test");

/// One thing that went wrong. A number picks the spot.
#[derive(Debug, Clone, Copy)]
enum Corruption {
    OutboxRowDropped,
    StoreEventLost,
    StoreEventDoubled,
    ForeignRecord,
    ByteChanged,
    KeyChanged,
    TenantHeaderChanged,
    VersionHeaderChanged,
    RecordsSwapped,
    KeyScattered,
    RowLost,
    RecordSkippedAtTheEnd,
    RecordSkippedInTheMiddle,
    EventAppliedTwice,
    RowAhead,
    RowForeign,
    RowDoubled,
    RowDiverged,
    RowUnderAnotherTenant,
    ViewLost,
    TotalDiverged,
    TotalLost,
    RankDiverged,
    RankLost,
    RankForeign,
    RankDoubled,
}

use Corruption::*;

const ALL: [Corruption; 26] = [
    OutboxRowDropped,
    StoreEventLost,
    StoreEventDoubled,
    ForeignRecord,
    ByteChanged,
    KeyChanged,
    TenantHeaderChanged,
    VersionHeaderChanged,
    RecordsSwapped,
    KeyScattered,
    RowLost,
    RecordSkippedAtTheEnd,
    RecordSkippedInTheMiddle,
    EventAppliedTwice,
    RowAhead,
    RowForeign,
    RowDoubled,
    RowDiverged,
    RowUnderAnotherTenant,
    ViewLost,
    TotalDiverged,
    TotalLost,
    RankDiverged,
    RankLost,
    RankForeign,
    RankDoubled,
];

/// Does it to `history` at a spot that `pick` chooses; says what must be found, or `None` where there is no such spot.
fn corrupt(history: &mut History, what: Corruption, pick: usize) -> Option<(Stage, Kind)> {
    let (event, row) = (pick % history.store.len(), pick % history.rows.len());
    Some(match what {
        OutboxRowDropped => {
            history.topic.remove(event);
            (Stage::Topic, Kind::Missing)
        }
        StoreEventLost => {
            let lost = history.store.remove(event);
            let last =
                history.store.iter().all(|e| e.aggregate_id != lost.aggregate_id || e.version < lost.version);
            // Nobody can tell from the store alone that its newest event is gone.
            if last { (Stage::Topic, Kind::Foreign) } else { (Stage::Store, Kind::Missing) }
        }
        StoreEventDoubled => {
            history.store.push(history.store[event].clone());
            (Stage::Store, Kind::Doubled)
        }
        ForeignRecord => {
            let mut foreign = history.topic[event].clone();
            foreign.event.event_id = super::histories::event(1 << 40);
            history.topic.push(foreign);
            (Stage::Topic, Kind::Foreign)
        }
        ByteChanged => {
            history.topic[event].event.payload[pick % 8] ^= 1 << (pick % 7);
            (Stage::Topic, Kind::Diverged)
        }
        KeyChanged => {
            history.topic[event].key[pick % 36] ^= 1;
            (Stage::Topic, Kind::Diverged)
        }
        TenantHeaderChanged => {
            history.topic[event].event.tenant = "other".parse().unwrap();
            (Stage::Topic, Kind::Diverged)
        }
        VersionHeaderChanged => {
            history.topic[event].event.version += 1;
            (Stage::Topic, Kind::Diverged)
        }
        RecordsSwapped => {
            let first = history.topic.get(event)?.event.clone();
            let later = |other: &Published| {
                other.event.aggregate_id == first.aggregate_id && other.event.version > first.version
            };
            let second = history.topic.iter().position(later)?;
            history.topic.swap(event, second);
            (Stage::Topic, Kind::Reordered)
        }
        KeyScattered => {
            let aggregate = history.topic[event].event.aggregate_id;
            if history.topic.iter().filter(|other| other.event.aggregate_id == aggregate).count() < 2 {
                return None;
            }
            history.topic[event].partition += 1;
            (Stage::Topic, Kind::Scattered)
        }
        RowLost => {
            history.rows.remove(row);
            history.settle();
            (SINK, Kind::Missing)
        }
        RecordSkippedAtTheEnd => {
            let skipped = history.rows[row].clone();
            let last = history
                .store
                .iter()
                .find(|e| (e.aggregate_id, e.version) == (skipped.aggregate_id, skipped.version))?;
            let bytes = i64::from_be_bytes(last.payload.clone().try_into().unwrap());
            let row = &mut history.rows[row];
            row.version -= 1;
            let view = row.view.as_mut()?;
            (view.uses, view.bytes) = (view.uses - 1, view.bytes - bytes);
            history.settle();
            (SINK, Kind::Missing)
        }
        RecordSkippedInTheMiddle => {
            let skipped = history.store[event].clone();
            let row = history.rows.iter_mut().find(|row| row.aggregate_id == skipped.aggregate_id)?;
            let view = row.view.as_mut()?;
            view.uses -= 1;
            view.bytes -= i64::from_be_bytes(skipped.payload.try_into().unwrap());
            history.settle();
            (SINK, Kind::Diverged)
        }
        EventAppliedTwice => {
            let again = history.store[event].clone();
            let version = history.rows.iter().find(|row| row.aggregate_id == again.aggregate_id)?.version;
            history.apply(&Stored { version, ..again });
            history.settle();
            (SINK, Kind::Diverged)
        }
        RowAhead => {
            history.rows[row].version += 1;
            (SINK, Kind::Foreign)
        }
        RowForeign => {
            let foreign = Applied { aggregate_id: aggregate(1 << 40), ..history.rows[row].clone() };
            history.rows.push(foreign);
            history.settle();
            (SINK, Kind::Foreign)
        }
        RowDoubled => {
            history.rows.push(history.rows[row].clone());
            (SINK, Kind::Doubled)
        }
        RowDiverged => {
            history.rows[row].view.as_mut()?.uses += 2;
            history.settle();
            (SINK, Kind::Diverged)
        }
        RowUnderAnotherTenant => {
            history.rows[row].tenant = "other".parse().unwrap();
            history.settle();
            (SINK, Kind::Diverged)
        }
        ViewLost => {
            history.rows[row].view = None;
            history.settle();
            (SINK, Kind::Diverged)
        }
        TotalDiverged => {
            history.totals[2 * row].3 += 1;
            (SINK, Kind::Diverged)
        }
        TotalLost => {
            history.totals.remove(2 * row);
            (SINK, Kind::Diverged)
        }
        RankDiverged => {
            history.ranks[row].2 += 1;
            (SINK, Kind::Diverged)
        }
        RankLost => {
            history.ranks.remove(row);
            (SINK, Kind::Missing)
        }
        RankForeign => {
            history.ranks.push((tenant(0), aggregate(1 << 40), 5));
            (SINK, Kind::Foreign)
        }
        RankDoubled => {
            history.ranks.push(history.ranks[row].clone());
            (SINK, Kind::Doubled)
        }
    })
}

#[test]
fn each_corruption_of_one_history_is_found() {
    let order = [1, 2, 1, 3, 1, 2, 4, 4, 3, 1];
    let correct = History::of(&order);
    assert_eq!(correct.compare().verdict(), Verdict::Proved, "{}", correct.compare());
    for what in ALL {
        let mut spots = 0;
        for pick in 0..order.len() {
            let mut history = correct.clone();
            let Some((stage, kind)) = corrupt(&mut history, what, pick) else { continue };
            let report = history.compare();
            assert_eq!(report.verdict(), Verdict::Refuted, "{what:?} at {pick}\n{report}");
            let found = report.findings.iter().find(|finding| (finding.stage, finding.kind) == (stage, kind));
            assert!(found.is_some(), "{what:?} at {pick}: no {kind} at {stage}\n{report}");
            spots += 1;
        }
        assert!(spots > 0, "{what:?} has no spot in this history");
    }
}

proptest! {
    #[test]
    fn a_correct_history_is_proved(
        order in prop::collection::vec(0u64..8, 1..60),
        copies in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut history = History::of(&order);
        // Whatever was published may be published again, behind itself.
        for copy in copies {
            let again = copy.get(&history.topic).clone();
            history.topic.push(again);
        }
        let report = history.compare();
        prop_assert!(report.is_proved(), "{}", report);
        prop_assert_eq!(report.counts.topic.duplicates, history.topic.len() - order.len());
        prop_assert_eq!(report.counts.topic.sum, report.counts.store.sum);
    }

    #[test]
    fn any_corruption_of_any_history_is_found(
        order in prop::collection::vec(0u64..8, 1..60),
        what in prop::sample::select(ALL.to_vec()),
        pick in any::<prop::sample::Index>(),
    ) {
        let mut history = History::of(&order);
        let expected = corrupt(&mut history, what, pick.index(order.len()));
        prop_assume!(expected.is_some());
        let report = history.compare();
        prop_assert!(report.verdict() == Verdict::Refuted, "{:?}\n{}", what, report);
    }
}
