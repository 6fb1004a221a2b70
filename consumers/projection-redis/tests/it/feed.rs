//! The feed: what changed, partition by partition, in the script that changes it.

use kafka::ViewStore;
use redis::aio::MultiplexedConnection;

use projection_redis::Fed;

use crate::stage::{PARTITIONS, Stage, TOPIC, aggregate, change, claim, flush, tenant};

#[tokio::test]
async fn the_feed_of_a_partition_has_every_version_that_was_written_and_keeps_the_last() {
    let stage = Stage::new().await;
    let mut store = stage.store("a").with_feed(100);
    let mut claimed = claim(&mut store, 3).await.unwrap();
    for version in 1..=1_000 {
        let rows = vec![change(3, 1, version - 1, version), change(3, 2, version - 1, version)];
        store.commit(&flush(&claimed, claimed.next_offset + 1, rows)).await.unwrap();
        claimed.next_offset += 1;
    }
    let fed = stage.fed(3).await;
    assert!((100..300).contains(&fed.len()), "{} entries", fed.len());
    for ((of, rows), version) in fed.iter().rev().zip((1..=1_000).rev()) {
        assert_eq!((of, rows), (&tenant(), &vec![(aggregate(1), version), (aggregate(2), version)]));
    }
}

async fn length(redis: &mut MultiplexedConnection, key: &str) -> u64 {
    redis::cmd("XLEN").arg(key).query_async(redis).await.unwrap()
}

#[tokio::test]
async fn a_feed_that_is_switched_off_is_gone_and_begins_anew() {
    let stage = Stage::new().await;
    let mut store = stage.store("a").with_feed(100);
    let claimed = claim(&mut store, 3).await.unwrap();
    store.commit(&flush(&claimed, 1, vec![change(3, 1, 0, 1)])).await.unwrap();
    let (key, mut redis) = (stage.key(3, "changes"), stage.redis().await);
    assert_eq!(length(&mut redis, &key).await, 2, "its beginning and the change");

    let mut off = stage.store("b");
    let claimed = claim(&mut off, 3).await.unwrap();
    off.commit(&flush(&claimed, 2, vec![change(3, 1, 1, 2)])).await.unwrap();
    assert_eq!(length(&mut redis, &key).await, 0);

    let mut on = stage.store("c").with_feed(100);
    let claimed = claim(&mut on, 3).await.unwrap();
    assert!(stage.fed(3).await.is_empty());
    on.commit(&flush(&claimed, 3, vec![change(3, 1, 2, 3)])).await.unwrap();
    assert_eq!(stage.fed(3).await, [(tenant(), vec![(aggregate(1), 3)])]);
    claim(&mut on, 3).await.unwrap();
    assert_eq!(length(&mut redis, &key).await, 2, "it goes on");
}

#[tokio::test]
async fn a_reader_goes_on_from_a_place_and_is_told_when_the_feed_does_not_have_it() {
    let stage = Stage::new().await;
    let (mut store, mut reader) = (stage.store("a").with_feed(10), stage.reader());
    let all: Vec<i32> = (0..PARTITIONS).collect();
    store.claim(TOPIC, &all[1..]).await.unwrap();
    assert_eq!(reader.feed_end().await.unwrap(), None, "a partition has none yet");
    store.claim(TOPIC, &all[..1]).await.unwrap();
    let begin = reader.feed_end().await.unwrap().unwrap();
    let nothing = Fed { through: begin.clone(), is_more: false, changed: Vec::new() };
    assert_eq!(reader.feed_after(&begin).await.unwrap(), Some(nothing));

    let claims = store.claim(TOPIC, &[3, 7]).await.unwrap();
    for claimed in &claims {
        let n = claimed.partition.unsigned_abs().into();
        store.commit(&flush(claimed, 1, vec![change(claimed.partition, n, 0, 1)])).await.unwrap();
    }
    let fed = reader.feed_after(&begin).await.unwrap().unwrap();
    assert_eq!(fed.changed, [(tenant(), vec![aggregate(3)]), (tenant(), vec![aggregate(7)])]);
    assert_eq!(Some(&fed.through), reader.feed_end().await.unwrap().as_ref());
    assert!(reader.feed_has(&begin).await.unwrap() && reader.feed_has(&fed.through).await.unwrap());
    assert!(!reader.feed_has(&begin[1..]).await.unwrap(), "a place of fewer partitions is none");

    // More than one reading can hold; then more than the feed keeps.
    let mut claimed = claim(&mut store, 3).await.unwrap();
    let mut write = async |versions: std::ops::Range<u64>| {
        for version in versions {
            let rows = vec![change(3, 3, version - 1, version)];
            store.commit(&flush(&claimed, claimed.next_offset + 1, rows)).await.unwrap();
            claimed.next_offset += 1;
        }
    };
    write(2..62).await;
    let part = reader.feed_after(&fed.through).await.unwrap().unwrap();
    assert!(part.is_more);
    let rest = reader.feed_after(&part.through).await.unwrap().unwrap();
    assert_eq!((part.changed.len() + rest.changed.len(), rest.is_more), (60, false));
    write(62..600).await;
    assert_eq!(reader.feed_after(&begin).await.unwrap(), None);
    assert!(!reader.feed_has(&begin).await.unwrap());
    stage.wipe().await;
    assert_eq!(reader.feed_end().await.unwrap(), None);
}
