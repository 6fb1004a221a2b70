//! What is written can be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use events::AggregateId;
use kafka::{Classify, Committed, Fault, Loaded, Progress, ViewStore};
use projection_redis::{Error, Place, Position, RedisViews};

use crate::stage::*;

#[tokio::test]
async fn rows_and_offset_are_written_together_and_read_back() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 3).await.unwrap();
    assert_eq!((claimed.epoch, claimed.next_offset), (1, 0));

    let committed =
        store.commit(&flush(&claimed, 7, vec![change(3, 1, 0, 2), change(3, 2, 0, 5)])).await.unwrap();
    assert_eq!(committed, Committed::default());
    let loaded = store.load(&[(3, key(1)), (3, key(9)), (3, key(2))]).await.unwrap();
    let expected =
        [(1, 2), (2, 5)].map(|(n, version)| Loaded { key: key(n), row: row(version), partition: 3 });
    assert_eq!(loaded, expected);
    assert_eq!(
        stage.reader().positions().await.unwrap(),
        [Position { partition: 3, epoch: 1, next_offset: 7 }]
    );

    let next = claim(&mut stage.store("b"), 3).await.unwrap();
    assert_eq!((next.epoch, next.next_offset), (2, 7), "the next owner goes on where the last one stopped");
}

#[tokio::test]
async fn one_live_row_is_found_by_its_key_alone() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let partition = kafka::partition_of(aggregate(1).to_string().as_bytes(), PARTITIONS);
    let claimed = claim(&mut store, partition).await.unwrap();
    store.commit(&flush(&claimed, 1, vec![change(partition, 1, 0, 4)])).await.unwrap();
    assert_eq!(stage.reader().row(&tenant(), aggregate(1)).await.unwrap(), row(4));
    assert_eq!(stage.reader().row(&tenant(), aggregate(2)).await.unwrap(), row(0));
    assert_eq!(stage.reader().row(&"other".parse().unwrap(), aggregate(1)).await.unwrap(), row(0));
}

#[tokio::test]
async fn a_deleted_view_leaves_its_version_and_no_place() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    store.commit(&flush(&claimed, 1, vec![change(0, 1, 0, 3)])).await.unwrap();
    let mut deletion = change(0, 1, 3, 4);
    Arc::make_mut(&mut deletion.new).view = None;
    let mut changes = flush(&claimed, 2, vec![deletion]);
    changes.progress[0].from = 1;
    store.commit(&changes).await.unwrap();
    let loaded = store.load(&[(0, key(1))]).await.unwrap();
    assert_eq!((loaded[0].row.version, &loaded[0].row.view), (4, &None));
    assert_eq!(stage.reader().leaderboard(&tenant(), "odd", 9).await.unwrap(), []);
}

#[tokio::test]
async fn the_leaderboard_is_exact_over_all_partitions() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claims = store.claim(TOPIC, &(0..PARTITIONS).collect::<Vec<_>>()).await.unwrap();
    let mut scores: BTreeMap<u64, u64> = BTreeMap::new();
    // Three rounds of changes: places are gained, moved and left for the other board; many scores are equal.
    for (offset, round) in (0..).zip(0..3u64) {
        let mut changes = flush(&claims[0], offset + 1, Vec::new());
        let progress = |claim: &kafka::Claim| Progress {
            partition: claim.partition,
            epoch: claim.epoch,
            from: offset,
            next_offset: offset + 1,
            fingerprint: None,
        };
        changes.progress = claims.iter().map(progress).collect();
        for n in (0..90).filter(|n| n % 3 != round) {
            let old = scores.get(&n).copied().unwrap_or(0);
            let new = old + 1 + (n * 7 + round) % 5;
            changes.rows.push(change(i32::try_from(n % 12).unwrap(), n, old, new));
            scores.insert(n, new);
        }
        assert_eq!(store.commit(&changes).await.unwrap(), Committed::default());
    }
    for (board, parity) in [("even", 0), ("odd", 1)] {
        let mut expected: Vec<(i64, AggregateId)> = scores
            .iter()
            .filter(|(_, score)| **score % 2 == parity)
            .map(|(n, score)| (score.cast_signed(), aggregate(*n)))
            .collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        for limit in [0, 1, 5, 17, 1000] {
            let found = stage.reader().leaderboard(&tenant(), board, limit).await.unwrap();
            let found: Vec<_> = found.into_iter().map(|place| (place.score, place.aggregate_id)).collect();
            assert_eq!(found, expected[..limit.min(expected.len())], "{board}, the first {limit}");
        }
    }
    let mut places = Vec::new();
    stage.reader().places(|place| places.push(place)).await.unwrap();
    assert_eq!(places.len(), scores.len());
    let one = Place { tenant: tenant(), board: "odd".into(), aggregate_id: aggregate(1), score: 0 };
    assert!(places.iter().any(|place| Place { score: 0, ..place.clone() } == one || place.board == "even"));
}

#[tokio::test]
async fn more_rows_than_one_script_takes_are_all_written() {
    const ROWS: u64 = 1000;
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let rounds = 20u64;
    let started = Instant::now();
    for round in 0..rounds {
        let rows = (0..ROWS).map(|n| change(0, n, round, round + 1)).collect();
        let mut changes = flush(&claimed, (round + 1).cast_signed(), rows);
        changes.progress[0].from = round.cast_signed();
        assert_eq!(store.commit(&changes).await.unwrap(), Committed::default());
    }
    let rate = (ROWS * rounds) as f64 / started.elapsed().as_secs_f64();
    println!("{rate:.0} rows/s, 1000 rows a flush");
    let (mut rows, mut seen) = (0, std::collections::BTreeSet::new());
    let show = |view: projection_redis::ViewAt<Count>| {
        assert_eq!((view.partition, view.tenant, view.row), (0, tenant(), row(rounds)));
        seen.insert(view.aggregate_id);
        rows += 1;
    };
    stage.reader().rows(show).await.unwrap();
    assert_eq!((rows, seen.len()), (1000, 1000), "each row is shown once");
    let keys: Vec<_> = (0..ROWS).map(|n| (0, key(n))).collect();
    assert_eq!(store.load(&keys).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn a_score_that_no_leaderboard_holds_is_poison_and_nothing_is_written() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let rows = vec![change(0, 1, 0, 1), change(0, 2, 0, (1 << 53) + 2)];
    let error = store.commit(&flush(&claimed, 1, rows)).await.unwrap_err();
    assert!(
        matches!(error, Error::Unstorable { aggregate_id, .. } if aggregate_id == aggregate(2)),
        "{error}"
    );
    assert_eq!(error.fault(), Fault::Poison);
    assert_eq!(version(&mut store, 0, 1).await, 0);
}

#[tokio::test]
async fn a_row_of_another_program_is_a_named_error() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    claim(&mut store, 0).await.unwrap();
    let name = stage.key(0, &format!("row:{}:{}", tenant(), aggregate(1)));
    let mut redis = stage.redis().await;
    redis::cmd("HSET").arg(&name).arg(&["v", "1", "d", r#"{"m":1}"#]).exec_async(&mut redis).await.unwrap();
    let error = store.load(&[(0, key(1))]).await.unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
    assert_eq!(error.fault(), Fault::Fatal);
}

#[tokio::test]
async fn a_namespace_belongs_to_one_projection_of_one_topic() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    claim(&mut store, 0).await.unwrap();
    let error = store.claim("agents.prompt.events", &[0]).await.unwrap_err();
    assert!(matches!(error, Error::ForeignNamespace { .. }), "{error}");
    assert_eq!(error.fault(), Fault::Fatal);
    let views = stage.database.url("views_writer").parse().unwrap();
    let mut other = RedisViews::<kafka::conformance::Tally>::new(&stage.config, views, "a").unwrap();
    let error = other.claim(TOPIC, &[0]).await.unwrap_err();
    let expected = format!("belongs to counts-redis of {TOPIC}, not to tally of {TOPIC}");
    assert!(error.to_string().ends_with(&expected), "{error}");
}
