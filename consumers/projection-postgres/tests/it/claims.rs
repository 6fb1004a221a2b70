//! Ownership under a real server's locks.

use kafka::conformance::{History, Rig, Sink, Topic};
use kafka::{Classify, Fault, ViewStore};
use ownership::{Advance, Progress};
use sqlx::{AssertSqlSafe, Connection};

use crate::broker::BOUND;
use crate::sink::PostgresSink;

const TOPIC: &str = "tally.events";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_the_zombies_open_transaction_and_starts_where_it_got_to() {
    let sink = PostgresSink::new().await;
    let mut owner = sink.open().await;
    owner.claim(TOPIC, &[0]).await.unwrap();

    let mut zombie = sink.connect("views_writer").await;
    let mut open = zombie.begin().await.unwrap();
    let progress = Progress { projection: "tally", topic: TOPIC };
    let advance = Advance { partition: 0, epoch: 1, from: 0, next_offset: 40, fingerprint: None };
    assert_eq!(progress.fence(&mut open, &[advance]).await.unwrap(), [0]);

    let claim = tokio::spawn(async move { owner.claim(TOPIC, &[0]).await });
    let mut watcher = sink.connect("owner").await;
    testkit::eventually("the claim waits for the lock", BOUND, async || {
        let waiting = "select count(*) from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watcher).await.unwrap() > 0
    })
    .await;
    open.commit().await.unwrap();
    let claims = claim.await.unwrap().unwrap();
    assert_eq!((claims[0].epoch, claims[0].next_offset), (2, 40));
}

#[tokio::test]
async fn a_claim_gives_up_on_a_lock_that_nobody_lets_go() {
    let sink = PostgresSink::new().await;
    let mut owner = sink.open().await;
    owner.claim(TOPIC, &[0]).await.unwrap();
    let mut stalled = sink.connect("views_writer").await;
    let mut open = stalled.begin().await.unwrap();
    let progress = Progress { projection: "tally", topic: TOPIC };
    progress.claim(&mut open, &[0], "stalled").await.unwrap();
    let error = owner.claim(TOPIC, &[0]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error}");
    open.rollback().await.unwrap();
    assert_eq!(owner.claim(TOPIC, &[0]).await.unwrap()[0].epoch, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_killed_at_a_statement_of_its_flush_leaves_nothing_of_the_flush() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..8).map(|n| history.started(n, "r")));
    let mut rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    // The first statement, one in the middle, and the last before the commit.
    for table in ["projection_offset", "tally", "tally_total"] {
        rig.caught_up(&sink, &[0]).await;
        let (rows, totals, offset) =
            (sink.rows().await, sink.totals().await, sink.next_offset(topic.name(), 0).await);
        let mut holder = sink.connect("owner").await;
        let mut open = holder.begin().await.unwrap();
        let lock = format!("lock table {table} in exclusive mode");
        sqlx::query(AssertSqlSafe(lock)).execute(&mut *open).await.unwrap();
        topic.append(0, (0..40).map(|i| history.called(i % 8, 3)));
        testkit::eventually("the flush waits for the table", BOUND, async || {
            let waiting = "select count(*) from pg_locks where relation = $1::text::regclass and not granted";
            let waiting = sqlx::query_scalar::<_, i64>(waiting).bind(table);
            waiting.fetch_one(&mut *open).await.unwrap() == 1
        })
        .await;
        drop(rig);
        open.rollback().await.unwrap();

        rig = Rig::start(sink.open().await, &topic, &history);
        assert_eq!(sink.rows().await, rows, "{table}");
        assert_eq!(sink.totals().await, totals, "{table}");
        assert_eq!(sink.next_offset(topic.name(), 0).await, offset, "{table}");
        rig.assign(&[0]).await;
        rig.caught_up(&sink, &[0]).await;
        assert_eq!(sink.rows().await, history.rows(), "{table}");
        assert_eq!(sink.totals().await.unwrap(), History::totals(&history.rows()), "{table}");
        assert_eq!(rig.metrics().stale.get(), 0, "{table}");
    }
    assert!(sink.parked().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_waited_for_and_nothing_parks() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    topic.append(0, (0..20).map(|n| history.started(n, "r")).collect::<Vec<_>>());
    for _ in 0..5 {
        topic.append(0, (0..500).map(|i| history.called(i % 20, 1)).collect::<Vec<_>>());
        sink.cut_connections().await;
    }
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, history.rows());
    assert_eq!(sink.totals().await.unwrap(), History::totals(&history.rows()));
    assert!(sink.parked().await.is_empty());
}

#[tokio::test]
async fn an_owner_that_is_fenced_off_by_a_late_comer_takes_its_partition_back() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    topic.append(0, [history.started(0, "r")]);
    rig.caught_up(&sink, &[0]).await;
    sink.open().await.claim(topic.name(), &[0]).await.unwrap();
    topic.append(0, [history.called(0, 1)]);
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, history.rows());
    assert_eq!(rig.metrics().fence_rejections.get(), 1);
}
