//! Everything at once: owners that come and go, answers that get lost, a Redis that forgets. At the end each view is
//! the fold of its events all the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use events::execution::ToolUsed;
use events::{Digest, EventId, ExecutionEvent, ExecutionId, Metadata, Recorded, Timestamp};
use kafka::{Changes, Classify, Fault, Progress, RowChange, Source, Tenure, ViewStore};
use projection::{Row, Step, step};
use projection_redis::{Place, RedisViews, ViewAt};
use uuid::Uuid;

use crate::proxy::Proxy;
use crate::stage::*;

const PARTITIONS: i32 = 3;
const RECORDS: usize = 400;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    /// A number below `limit`.
    fn roll(&mut self, limit: u64) -> u64 {
        // SplitMix64, by Sebastiano Vigna.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Aggregate and version of each record, by partition; some records are copies of earlier ones.
fn log(dice: &mut Dice) -> Vec<Vec<(u64, u64)>> {
    let mut versions: BTreeMap<u64, u64> = BTreeMap::new();
    let partition = |p: i32| {
        let mut records: Vec<(u64, u64)> = Vec::new();
        while records.len() < RECORDS {
            if !records.is_empty() && dice.roll(10) == 0 {
                let copy = dice.roll(records.len() as u64) as usize;
                records.push(records[copy]);
                continue;
            }
            let n = dice.roll(30) * 3 + u64::from(p.unsigned_abs());
            let version = versions.entry(n).or_default();
            *version += 1;
            records.push((n, *version));
        }
        records
    };
    (0..PARTITIONS).map(partition).collect()
}

fn event(n: u64, version: u64) -> Recorded<ExecutionEvent> {
    let (execution_id, occurred_at) = (ExecutionId(aggregate(n).0), Timestamp::from_micros(0));
    let used = ToolUsed { execution_id, occurred_at, step: 1, tool: None, exit_code: None, output_bytes: 0 };
    Recorded {
        tenant: tenant(),
        aggregate_id: aggregate(n),
        version,
        event_id: EventId(Uuid::from_u64_pair(n, version)),
        recorded_at: occurred_at,
        metadata: Metadata::default(),
        payload: used.into(),
    }
}

fn applied(row: Row<Count>, n: u64, version: u64) -> Step<Count> {
    step::<Counts>(row, &event(n, version), Digest::of(&[]))
}

/// A lane without Kafka: it reads the log where the sink says.
struct Worker {
    store: RedisViews<Counts>,
    held: BTreeMap<i32, (i64, i64)>,
}

impl Worker {
    async fn claim(&mut self) {
        let ids: Vec<i32> = (0..PARTITIONS).collect();
        // A lost answer leaves nothing held; the next round claims again.
        let claims = self.store.claim(TOPIC, &ids).await.unwrap_or_default();
        self.held =
            claims.into_iter().map(|claim| (claim.partition, (claim.epoch, claim.next_offset))).collect();
    }

    async fn renew(&mut self) {
        let held =
            self.held.iter().map(|(partition, (epoch, _))| Tenure { partition: *partition, epoch: *epoch });
        let held: Vec<Tenure> = held.collect();
        let claims = self.store.renew(TOPIC, &held).await.unwrap_or_default();
        self.held =
            claims.into_iter().map(|claim| (claim.partition, (claim.epoch, claim.next_offset))).collect();
    }

    /// The next flush as this worker sees the world; `None`: it cannot see it now.
    async fn draft(&mut self, log: &[Vec<(u64, u64)>], dice: &mut Dice) -> Option<Changes<Count>> {
        let mut changes = Changes::new(TOPIC.into());
        let mut records = Vec::new();
        for (partition, (epoch, from)) in &self.held {
            let rest = &log[usize::try_from(*partition).unwrap()][usize::try_from(*from).unwrap()..];
            let count = rest.len().min(dice.roll(40) as usize);
            records.extend(rest[..count].iter().map(|(n, version)| (*partition, *n, *version)));
            let (partition, epoch, next_offset) = (*partition, *epoch, from + count.cast_signed() as i64);
            let fingerprint = None;
            changes.progress.push(Progress { partition, epoch, from: *from, next_offset, fingerprint });
        }
        let mut rows: BTreeMap<u64, (i32, Row<Count>, Row<Count>)> = BTreeMap::new();
        for (partition, n, _) in &records {
            rows.insert(*n, (*partition, row(0), row(0)));
        }
        let keys: Vec<_> = rows.iter().map(|(n, (partition, ..))| (*partition, key(*n))).collect();
        match self.store.load(&keys).await {
            Ok(loaded) => {
                for loaded in loaded {
                    let n = rows.keys().copied().find(|n| key(*n) == loaded.key).unwrap();
                    rows.insert(n, (loaded.partition, loaded.row.clone(), loaded.row));
                }
            }
            Err(error) => {
                assert_eq!(error.fault(), Fault::Transient, "{error}");
                self.renew().await;
                return None;
            }
        }
        for (_, n, version) in records {
            let (_, _, new) = rows.get_mut(&n).unwrap();
            match applied(new.clone(), n, version) {
                Step::Applied(next) => *new = next,
                Step::Stale => {}
                other => panic!(
                    "aggregate {n}: {other:?} at version {version}: an event was lost or came out of order"
                ),
            }
        }
        let last = Source {
            offset: 0,
            occurred_at: Timestamp::from_micros(0),
            recorded_at: Timestamp::from_micros(0),
        };
        let changed = rows.into_iter().filter(|(_, (_, old, new))| old.version != new.version);
        let change = |(n, (partition, old, new))| RowChange {
            key: key(n),
            partition,
            old: Arc::new(old),
            new: Arc::new(new),
            last,
        };
        changes.rows = changed.map(change).collect();
        Some(changes)
    }

    async fn commit(&mut self, changes: &Changes<Count>) {
        match self.store.commit(changes).await {
            Ok(committed) => {
                for progress in &changes.progress {
                    if committed.fenced.contains(&progress.partition) {
                        self.held.remove(&progress.partition);
                    } else {
                        self.held.insert(progress.partition, (progress.epoch, progress.next_offset));
                    }
                }
            }
            Err(error) => {
                assert_eq!(error.fault(), Fault::Transient, "{error}");
                self.renew().await;
            }
        }
    }
}

#[tokio::test]
async fn a_storm_leaves_every_view_the_fold_of_its_events() {
    let stage = Stage::new().await;
    let mut dice = Dice(20_261_121);
    let log = log(&mut dice);
    let proxy = Proxy::before(&stage.config.url).await;
    let config = projection_redis::RedisConfig { timeout_ms: 60, ..proxy.config(&stage.config) };
    let mut workers: Vec<Worker> = ["a", "b"]
        .map(|owner| Worker { store: stage.store_with(&config, owner), held: BTreeMap::new() })
        .into();
    let (mut wipes, mut lost_answers, mut zombies) = (0, 0, 0);
    for _ in 0..250 {
        let who = dice.roll(2) as usize;
        if workers[who].held.is_empty() {
            workers[who].claim().await;
        }
        let Some(changes) = workers[who].draft(&log, &mut dice).await else { continue };
        match dice.roll(20) {
            0 => {
                wipes += 1;
                stage.wipe().await;
            }
            1 => {
                // The other takes over between load and commit.
                zombies += 1;
                workers[1 - who].claim().await;
            }
            2 => {
                lost_answers += 1;
                proxy.mute(true);
                workers[who].commit(&changes).await;
                proxy.mute(false);
                continue;
            }
            _ => {}
        }
        workers[who].commit(&changes).await;
    }
    assert!(
        wipes > 3 && lost_answers > 3 && zombies > 3,
        "{wipes} wipes, {lost_answers} lost, {zombies} zombies"
    );

    let worker = &mut workers[0];
    worker.claim().await;
    while worker.held.len() < log.len() || worker.held.iter().any(|(_, (_, next))| *next < RECORDS as i64) {
        if worker.held.len() < log.len() {
            worker.claim().await;
        }
        if let Some(changes) = worker.draft(&log, &mut dice).await {
            worker.commit(&changes).await;
        }
    }
    let mut expected: BTreeMap<_, Row<Count>> = BTreeMap::new();
    for (n, version) in log.iter().flatten() {
        let row = expected.entry(aggregate(*n)).or_default();
        if let Step::Applied(next) = applied(row.clone(), *n, *version) {
            *row = next;
        }
    }
    let mut found = BTreeMap::new();
    let show = |view: ViewAt<Count>| {
        assert_eq!(found.insert(view.aggregate_id, view.row), None, "one row an aggregate");
    };
    stage.reader().rows(show).await.unwrap();
    assert_eq!(found, expected);
    let mut ranked = BTreeMap::new();
    let show = |place: Place| {
        assert_eq!(place.board, if place.score % 2 == 0 { "even" } else { "odd" });
        assert_eq!(
            ranked.insert(place.aggregate_id, place.score.unsigned_abs()),
            None,
            "one place an aggregate"
        );
    };
    stage.reader().places(show).await.unwrap();
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(id, row)| (id, row.version)).collect();
    assert_eq!(ranked, expected);
}
