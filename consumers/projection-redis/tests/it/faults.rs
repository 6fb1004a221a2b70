//! Owners that come back late, and a Redis that forgets.

use std::time::Duration;

use kafka::{Classify, Committed, Fault, Tenure, ViewStore};
use projection_redis::Error;

use crate::proxy::Proxy;
use crate::stage::*;

#[tokio::test]
async fn a_zombie_writes_nothing_and_moves_nothing() {
    let stage = Stage::new().await;
    let (mut zombie, mut owner) = (stage.store("zombie"), stage.store("owner"));
    let old = claim(&mut zombie, 0).await.unwrap();
    let new = claim(&mut owner, 0).await.unwrap();
    let late = zombie.commit(&flush(&old, 5, vec![change(0, 1, 0, 3)])).await.unwrap();
    assert_eq!(late, Committed { fenced: vec![0] });
    assert_eq!(version(&mut owner, 0, 1).await, 0);
    assert_eq!(owner.commit(&flush(&new, 1, vec![change(0, 1, 0, 1)])).await.unwrap(), Committed::default());
    assert_eq!(stage.reader().positions().await.unwrap()[0].next_offset, 1);
}

#[tokio::test]
async fn a_zombie_does_not_claim_its_partition_back_by_renewing() {
    let stage = Stage::new().await;
    let (mut zombie, mut owner) = (stage.store("zombie"), stage.store("owner"));
    let old = claim(&mut zombie, 0).await.unwrap();
    claim(&mut owner, 0).await.unwrap();
    let held = [Tenure { partition: 0, epoch: old.epoch }];
    assert_eq!(zombie.renew(TOPIC, &held).await.unwrap(), []);
}

#[tokio::test]
async fn of_several_partitions_only_the_lost_one_stays_behind() {
    let stage = Stage::new().await;
    let (mut store, mut other) = (stage.store("a"), stage.store("b"));
    let claims = store.claim(TOPIC, &[0, 1, 2]).await.unwrap();
    claim(&mut other, 1).await.unwrap();
    let mut changes = flush(&claims[0], 4, Vec::new());
    for claim in &claims[1..] {
        changes.progress.extend(flush(claim, 4, Vec::new()).progress);
    }
    changes.rows = vec![change(0, 10, 0, 1), change(1, 11, 0, 1), change(2, 12, 0, 1)];
    assert_eq!(store.commit(&changes).await.unwrap(), Committed { fenced: vec![1] });
    let positions = stage.reader().positions().await.unwrap();
    assert_eq!(positions.iter().map(|it| it.next_offset).collect::<Vec<_>>(), [4, 0, 4]);
    assert_eq!(version(&mut store, 0, 10).await, 1);
    assert_eq!(version(&mut other, 1, 11).await, 0);
}

#[tokio::test]
async fn a_flush_from_where_the_sink_does_not_stand_is_refused() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let changes = flush(&claimed, 5, vec![change(0, 1, 0, 1)]);
    store.commit(&changes).await.unwrap();
    assert_eq!(store.commit(&changes).await.unwrap(), Committed { fenced: vec![0] });
}

#[tokio::test]
async fn a_row_that_is_not_at_the_version_we_know_stops_the_whole_flush() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let changes = flush(&claimed, 5, vec![change(0, 1, 0, 1), change(0, 2, 3, 4)]);
    let error = store.commit(&changes).await.unwrap_err();
    assert!(matches!(error, Error::Lost { partition: 0, .. }), "{error}");
    let again = store.renew(TOPIC, &[Tenure { partition: 0, epoch: claimed.epoch }]).await.unwrap();
    assert_eq!(again[0].next_offset, 0);
    assert_eq!(version(&mut store, 0, 1).await, 0);
}

/// A store that stands at offset 5 of partition 0 with row 1 at version 2.
async fn standing(stage: &Stage) -> (projection_redis::RedisViews<Counts>, kafka::Claim) {
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    store.commit(&flush(&claimed, 5, vec![change(0, 1, 0, 2)])).await.unwrap();
    (store, kafka::Claim { next_offset: 5, ..claimed })
}

#[tokio::test]
async fn a_wiped_redis_is_noticed_at_the_next_load_commit_or_inspection() {
    let stage = Stage::new().await;
    for noticed_by in ["load", "commit", "inspect"] {
        let (mut store, claimed) = standing(&stage).await;
        stage.wipe().await;
        let error = match noticed_by {
            "load" => store.load(&[(0, key(1))]).await.unwrap_err(),
            "commit" => store.commit(&flush(&claimed, 6, vec![change(0, 1, 2, 3)])).await.unwrap_err(),
            _ => store.inspect(TOPIC, &[Tenure { partition: 0, epoch: 1 }]).await.unwrap_err(),
        };
        assert!(matches!(error, Error::Lost { partition: 0, .. }), "{noticed_by}: {error}");
        assert_eq!(error.fault(), Fault::Transient, "{noticed_by}");

        let again = store.renew(TOPIC, &[Tenure { partition: 0, epoch: claimed.epoch }]).await.unwrap();
        assert_eq!((again[0].epoch, again[0].next_offset), (claimed.epoch + 1, 0), "{noticed_by}");
        store.commit(&flush(&again[0], 5, vec![change(0, 1, 0, 2)])).await.unwrap();
        assert_eq!(version(&mut store, 0, 1).await, 2, "{noticed_by}");
        stage.wipe().await;
    }
}

/// As after a restart from an append-only file that lacks the last flush: offset 3, row 1 at version 1.
async fn roll_back(stage: &Stage) {
    let mut redis = stage.redis().await;
    let offset = stage.key(0, "offset");
    redis::cmd("HSET").arg(offset).arg(&["next_offset", "3"]).exec_async(&mut redis).await.unwrap();
    let row = stage.key(0, &format!("row:{}:{}", tenant(), aggregate(1)));
    redis::cmd("HSET").arg(row).arg(&["v", "1", "d", r#"{"n":1}"#]).exec_async(&mut redis).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_lost_its_last_second_is_read_from_where_it_stands() {
    let stage = Stage::new().await;
    let (mut store, claimed) = standing(&stage).await;
    roll_back(&stage).await;
    assert!(matches!(store.load(&[(0, key(1))]).await, Err(Error::Lost { .. })));
    let again = store.renew(TOPIC, &[Tenure { partition: 0, epoch: claimed.epoch }]).await.unwrap();
    assert_eq!(again[0].next_offset, 3);
    assert_eq!(version(&mut store, 0, 1).await, 1);
}

#[tokio::test]
async fn a_flush_does_not_jump_over_what_redis_lost() {
    let stage = Stage::new().await;
    let (mut store, claimed) = standing(&stage).await;
    roll_back(&stage).await;
    // Nothing of this flush touches the row that was lost.
    let error = store.commit(&flush(&claimed, 6, vec![change(0, 2, 0, 1)])).await.unwrap_err();
    assert!(matches!(error, Error::Lost { partition: 0, .. }), "{error}");
    assert_eq!(stage.reader().positions().await.unwrap()[0].next_offset, 3);
}

#[tokio::test]
async fn a_claim_fills_a_wiped_redis_from_the_first_offset() {
    let stage = Stage::new().await;
    let (_, claimed) = standing(&stage).await;
    stage.wipe().await;
    let next = claim(&mut stage.store("b"), 0).await.unwrap();
    assert_eq!((next.epoch, next.next_offset), (claimed.epoch + 1, 0));
}

/// Somebody makes Redis forget its scripts again and again, between any two commands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_scripts_are_brought_along() {
    let stage = Stage::new().await;
    let (mut store, mut claimed) = standing(&stage).await;
    let mut redis = stage.redis().await;
    let forgetting = tokio::spawn(async move {
        loop {
            redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut redis).await.unwrap();
        }
    });
    for time in 0..20 {
        assert_eq!(version(&mut store, 0, 1).await, 2 + time);
        let row = |n| if n == 1 { change(0, 1, 2 + time, 3 + time) } else { change(0, n, time, 1 + time) };
        let changes = flush(&claimed, claimed.next_offset + 1, (0..450).map(row).collect());
        assert_eq!(store.commit(&changes).await.unwrap(), Committed::default());
        claimed.next_offset += 1;
    }
    let next = claim(&mut stage.store("b"), 0).await.unwrap();
    assert_eq!(next.next_offset, claimed.next_offset);
    assert_eq!(
        stage.reader().row(&tenant(), aggregate(7)).await.unwrap().version,
        0,
        "it lies in another partition"
    );
    forgetting.abort();
}

#[tokio::test]
async fn a_flush_whose_answer_got_lost_is_applied_once_when_sent_again() {
    let stage = Stage::new().await;
    let proxy = Proxy::before(&stage.config.url).await;
    let mut store = stage.store_with(&proxy.config(&stage.config), "a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let rows: Vec<_> = (0..450).map(|n| change(0, n, 0, 2)).collect();
    let changes = flush(&claimed, 5, rows);
    proxy.mute(true);
    let error = store.commit(&changes).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error}");
    proxy.mute(false);
    // It may still be on its way; either run may be the one that applies it.
    assert_eq!(store.commit(&changes).await.unwrap(), Committed::default());
    assert_eq!(version(&mut store, 0, 449).await, 2);
    assert_eq!(stage.reader().positions().await.unwrap()[0].next_offset, 5);
    let (mut places, mut total) = (0, 0);
    let count = |place: projection_redis::Place| (places, total) = (places + 1, total + place.score);
    stage.reader().places(count).await.unwrap();
    assert_eq!((places, total), (450, 900));
}

#[tokio::test]
async fn after_a_lost_answer_a_renewed_claim_tells_what_was_applied() {
    let stage = Stage::new().await;
    let proxy = Proxy::before(&stage.config.url).await;
    let mut store = stage.store_with(&proxy.config(&stage.config), "a");
    let claimed = claim(&mut store, 0).await.unwrap();
    proxy.mute(true);
    store.commit(&flush(&claimed, 5, vec![change(0, 1, 0, 2)])).await.unwrap_err();
    proxy.mute(false);
    let applied = async || stage.reader().positions().await.unwrap()[0].next_offset == 5;
    testkit::eventually("the flush is applied though its answer got lost", Duration::from_secs(60), applied)
        .await;
    let again = store.renew(TOPIC, &[Tenure { partition: 0, epoch: claimed.epoch }]).await.unwrap();
    assert_eq!((again[0].epoch, again[0].next_offset), (claimed.epoch + 1, 5));
    assert_eq!(version(&mut store, 0, 1).await, 2);
}
