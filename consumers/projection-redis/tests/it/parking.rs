//! Records park in Postgres before the offset in Redis moves.

use std::sync::Arc;

use kafka::{
    Committed, Decided, Decision, Hints, Park, ParkKey, Reason, Record, Release, Settled, Stopped, ViewStore,
};

use crate::stage::*;

fn park(partition: i32, offset: i64, n: u64) -> Park {
    let key = aggregate(n).to_string().into_bytes();
    Park {
        key: ParkKey::of(Some(&key)),
        record: Record {
            topic: Arc::from(TOPIC),
            partition,
            offset,
            timestamp_ms: Some(1),
            key: Some(key),
            payload: Some(vec![0, 0, 0, 0, 1, 9]),
            headers: [("ce_id", None::<&[u8]>)].into_iter().collect(),
        },
        hints: Hints { aggregate_id: Some(aggregate(n)), version: Some(1), ..Hints::default() },
        reason: Reason::Refused,
        message: "told to".into(),
    }
}

#[tokio::test]
async fn a_parked_record_is_queued_up_and_the_offset_moves() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let mut changes = flush(&claimed, 2, vec![change(0, 1, 0, 1)]);
    changes.parks.push(park(0, 1, 2));
    assert_eq!(store.commit(&changes).await.unwrap(), Committed::default());
    let parked = store.parked(TOPIC, 0, &changes.parks[0].key, 10).await.unwrap();
    assert_eq!(
        parked.iter().map(|it| it.record.clone()).collect::<Vec<_>>(),
        [changes.parks[0].record.clone()]
    );

    let next = claim(&mut stage.store("b"), 0).await.unwrap();
    assert_eq!(next.next_offset, 2);
    assert_eq!(next.parked_keys[0].key, changes.parks[0].key);
    assert_eq!(next.parked_keys[0].first_offset, 1);
}

#[tokio::test]
async fn a_zombie_parks_nothing() {
    let stage = Stage::new().await;
    let (mut zombie, mut owner) = (stage.store("zombie"), stage.store("owner"));
    let old = claim(&mut zombie, 0).await.unwrap();
    claim(&mut owner, 0).await.unwrap();
    let mut changes = flush(&old, 2, Vec::new());
    changes.parks.push(park(0, 1, 2));
    assert_eq!(zombie.commit(&changes).await.unwrap(), Committed { fenced: vec![0] });
    assert_eq!(owner.parked(TOPIC, 0, &changes.parks[0].key, 10).await.unwrap(), []);
}

#[tokio::test]
async fn a_record_that_parked_before_redis_was_wiped_parks_once() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let mut changes = flush(&claimed, 2, vec![change(0, 1, 0, 1)]);
    changes.parks.push(park(0, 1, 2));
    store.commit(&changes).await.unwrap();
    stage.wipe().await;
    let again = claim(&mut store, 0).await.unwrap();
    assert_eq!((again.next_offset, again.parked_keys[0].events), (0, 1));
    changes.progress[0].epoch = again.epoch;
    store.commit(&changes).await.unwrap();
    assert_eq!(store.parked(TOPIC, 0, &changes.parks[0].key, 10).await.unwrap().len(), 1);
    assert_eq!(version(&mut store, 0, 1).await, 1);
}

#[tokio::test]
async fn a_released_record_frees_its_key_and_a_decision_is_remembered() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let mut changes = flush(&claimed, 3, Vec::new());
    changes.parks.extend([park(0, 1, 2), park(0, 2, 2)]);
    store.commit(&changes).await.unwrap();

    let key = changes.parks[0].key.clone();
    let mut work = flush(&claimed, 3, vec![change(0, 2, 0, 1)]);
    work.progress[0].from = 3;
    Arc::make_mut(&mut work.rows[0].new).view = None;
    let decided = Decided { partition: 0, offset: Some(1), version: Some((tenant(), aggregate(2), 1)) };
    let (reason, actor) = ("wrong".into(), "ana".into());
    work.decisions.push(Decision { decided: decided.clone(), event_id: None, reason, actor });
    work.releases.push(Release { key: key.clone(), partition: 0, offset: 1 });
    let stopped = Stopped { offset: 2, reason: Reason::Refused, message: "still".into() };
    work.settled.push(Settled { partition: 0, key: key.clone(), stopped: Some(stopped) });
    assert_eq!(store.commit(&work).await.unwrap(), Committed::default());
    assert_eq!(version(&mut store, 0, 2).await, 1, "the version moves without a view");
    let left = store.parked(TOPIC, 0, &key, 10).await.unwrap();
    assert_eq!(left.iter().map(|it| it.record.offset).collect::<Vec<_>>(), [2]);

    work.rows = vec![change(0, 2, 1, 2)];
    Arc::make_mut(&mut work.rows[0].old).view = None;
    work.decisions.clear();
    work.settled.clear();
    work.releases[0].offset = 2;
    store.commit(&work).await.unwrap();
    let next = claim(&mut stage.store("b"), 0).await.unwrap();
    assert_eq!((next.parked_keys, next.decided), (vec![], vec![decided]));
}

#[tokio::test]
async fn what_operators_ask_for_reaches_the_owner() {
    let stage = Stage::new().await;
    let mut store = stage.store("a");
    let claimed = claim(&mut store, 0).await.unwrap();
    let mut changes = flush(&claimed, 2, Vec::new());
    changes.parks.push(park(0, 1, 2));
    store.commit(&changes).await.unwrap();
    assert_eq!(store.requests(TOPIC, &[0]).await.unwrap(), []);

    let url = stage.database.url("views_writer");
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let mut operator = dead_letters::Operator::new(&mut connection);
    operator.redrive("counts-redis", &changes.parks[0].key, "ana").await.unwrap();
    let requests = store.requests(TOPIC, &[0]).await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].partition, &requests[0].key), (0, &changes.parks[0].key));
}
