//! A cluster of three primaries, each with its replica: what holds on one server holds there, and after a fail-over.

use kafka::{Classify, Committed, Fault, Tenure, ViewStore};
use local::{Component, RedisTopology};
use projection_redis::{Place, RedisConfig};
use testkit::{OwnStack, eventually};

use crate::servers::*;
use crate::stage::*;

pub(crate) const BOUND: std::time::Duration = std::time::Duration::from_secs(60);
pub(crate) const PRIMARIES: usize = 3;

/// A stage in a cluster of its own.
pub(crate) async fn stage() -> (OwnStack, Stage) {
    let own = servers("cluster", RedisTopology::Cluster).await;
    let mut stage = Stage::new().await;
    stage.config =
        RedisConfig { namespace: stage.config.namespace, ..RedisConfig::new(own.fact("MILLRACE_REDIS_URL")) };
    (own, stage)
}

/// An aggregate for each partition, whose key is hashed there.
fn one_of_each() -> Vec<(i32, u64)> {
    let lies_in = |n| kafka::partition_of(aggregate(n).to_string().as_bytes(), PARTITIONS);
    let first = |partition| (1..).find(|n| lies_in(*n) == partition).map(|n| (partition, n));
    (0..PARTITIONS).filter_map(first).collect()
}

#[tokio::test]
async fn views_lie_in_all_of_a_cluster_and_are_read_from_it() {
    let (own, stage) = stage().await;
    let mut store = stage.store("a").with_feed(100);
    let partitions: Vec<i32> = (0..PARTITIONS).collect();
    let claimed = store.claim(TOPIC, &partitions).await.unwrap();
    let mut changes = flush(&claimed[0], 1, vec![]);
    changes.progress = claimed.iter().map(|claim| flush(claim, 1, vec![]).progress[0]).collect();
    changes.rows = one_of_each().into_iter().map(|(partition, n)| change(partition, n, 0, 2)).collect();
    assert_eq!(store.commit(&changes).await.unwrap(), Committed::default());

    let keys: Vec<_> = one_of_each().into_iter().map(|(partition, n)| (partition, key(n))).collect();
    let loaded = store.load(&keys).await.unwrap();
    assert_eq!(loaded.iter().map(|it| (it.partition, it.key.clone())).collect::<Vec<_>>(), keys);
    assert!(loaded.iter().all(|it| it.row == row(2)));
    for primary in &Component::REDIS[..PRIMARIES] {
        assert!(ask::<u64>(&own, *primary, "DBSIZE").await.unwrap() > 0, "{primary} has none of it");
    }

    let mut reader = stage.reader();
    let (mut rows, mut sums, mut places) = (0, 0, 0);
    reader.rows(|view| rows += view.row.version).await.unwrap();
    reader.sums(|_, _, version, _| sums += version).await.unwrap();
    reader.places(|place: Place| places += place.score).await.unwrap();
    assert_eq!((rows, sums, places), (24, 24, 24));
    let at = reader.positions().await.unwrap();
    assert_eq!((at.len(), at.iter().all(|it| it.next_offset == 1)), (12, true));
    let board = reader.leaderboard(&tenant(), "even", 20).await.unwrap();
    assert_eq!((board.len(), board.iter().all(|place| place.score == 2)), (12, true));
    let (_, n) = one_of_each()[7];
    assert_eq!(reader.row(&tenant(), aggregate(n)).await.unwrap(), row(2));
    let end = reader.feed_end().await.unwrap().expect("every partition has its feed");
    assert!(reader.feed_has(&end).await.unwrap());

    let next = stage.store("b").claim(TOPIC, &partitions).await.unwrap();
    assert!(next.iter().all(|claim| (claim.epoch, claim.next_offset) == (2, 1)), "{next:?}");
}

#[tokio::test]
async fn a_primary_that_dies_is_replaced_and_its_partitions_go_on_from_what_the_replica_has() {
    let (own, stage) = stage().await;
    let mut store = stage.store("a");
    let partitions: Vec<i32> = (0..PARTITIONS).collect();
    let mut claimed = store.claim(TOPIC, &partitions).await.unwrap();
    for (primary, replica) in Component::REDIS.into_iter().zip(&Component::REDIS[PRIMARIES..]) {
        own.kill(primary).await;
        eventually("the replica takes over", BOUND, async || is_primary(&own, *replica).await).await;
        for claim in &mut claimed {
            let partition = claim.partition;
            let version = claim.next_offset.unsigned_abs();
            let (_, n) = one_of_each()[partition.unsigned_abs() as usize];
            eventually("the flush is applied", BOUND, async || {
                let changes =
                    flush(claim, claim.next_offset + 1, vec![change(partition, n, version, version + 1)]);
                match store.commit(&changes).await {
                    Ok(committed) => committed == Committed::default(),
                    Err(error) => {
                        assert_eq!(error.fault(), Fault::Transient, "{error}");
                        let held = [Tenure { partition, epoch: claim.epoch }];
                        // A renewal whose answer got lost has taken the partition from us, too.
                        let again = match store.renew(TOPIC, &held).await {
                            Ok(renewed) if renewed.is_empty() => store.claim(TOPIC, &[partition]).await,
                            renewed => renewed,
                        };
                        if let Ok([ours]) = again.as_deref() {
                            *claim = ours.clone();
                        }
                        // A flush whose answer got lost was applied all the same.
                        claim.next_offset.unsigned_abs() == version + 1
                    }
                }
            })
            .await;
            claim.next_offset = version.cast_signed() + 1;
        }
    }
    let mut rows = 0;
    stage.reader().rows(|view| rows += view.row.version).await.unwrap();
    assert_eq!(rows, 3 * 12, "each applied once, whoever was killed");
}
