//! A standby takes the views' place without the last commits: what they hold goes back together, and is read again.

use kafka::conformance::{History, Rig, Sink, Topic};
use local::{Component, PostgresTopology, RaiseArgs};
use sqlx::{Connection, Executor, PgConnection};
use testkit::{OwnStack, eventually};

use crate::broker::BOUND;
use crate::sink::PostgresSink;

/// The executions of a partition.
fn of(partition: i32) -> impl Iterator<Item = u128> {
    let first = 8 * u128::from(partition.unsigned_abs());
    first..first + 8
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_without_the_last_commits_takes_over_under_load_and_they_are_made_again() {
    let own = OwnStack::new("standby");
    let servers = [Component::Postgres, Component::PostgresReplica];
    own.start(&servers, &RaiseArgs { postgres: Some(PostgresTopology::Replica), ..RaiseArgs::default() })
        .await;
    let mut sink = PostgresSink::of(own.views_database().await).await;
    let (mut door, store) = sink.proxied().await;
    let (topic, mut history) = (Topic::default(), History::default());
    for partition in 0..3 {
        topic.append(partition, of(partition).map(|n| history.started(n, "r")));
    }
    let rig = Rig::start(store, &topic, &history);
    rig.assign(&[0, 1, 2]).await;
    rig.caught_up(&sink, &[0, 1, 2]).await;

    // The standby has all of that, and gets nothing more.
    let mut standby =
        PgConnection::connect(&own.fact("MILLRACE_POSTGRES_REPLICA_SUPERUSER_URL")).await.unwrap();
    sink.database.is_on_the_standby();
    eventually("it is replicated", BOUND, async || sink.rows().await == history.rows()).await;
    standby.execute("alter system set primary_conninfo = ''").await.unwrap();
    standby.execute("select pg_reload_conf()").await.unwrap();
    let is_cut_off =
        async || standby.fetch_optional("select from pg_stat_wal_receiver").await.unwrap().is_none();
    eventually("it is cut off", BOUND, is_cut_off).await;
    let replicated = history.rows();

    let load = |history: &mut History| {
        for _ in 0..20 {
            for partition in 0..3 {
                topic.append(partition, of(partition).map(|n| history.called(n, 3)));
            }
        }
    };
    let applied = rig.metrics().applied.get();
    load(&mut history);
    topic.append(0, [history.called(0, -1)]);
    load(&mut history);
    eventually("the last commits", BOUND, async || rig.metrics().applied.get() > applied + 300).await;
    own.kill(Component::Postgres).await;
    door.close().await;
    assert_eq!(sink.rows().await, replicated, "the standby lacks what was committed last");
    standby.execute("select pg_promote()").await.unwrap();
    door.open_to(&sink.url("views_writer"));
    load(&mut history);

    rig.caught_up(&sink, &[0, 1, 2]).await;
    let parked = sink.parked().await;
    assert_eq!(parked.iter().map(|key| key.reason.as_str()).collect::<Vec<_>>(), ["refused"]);
    let mut expected = history.rows_without(&[(0, 1 + 20 + 1)]);
    let before_the_refused = sink.rows().await.remove(&History::row(0)).unwrap();
    assert_eq!(before_the_refused.version, 1 + 20);
    expected.insert(History::row(0), before_the_refused);
    assert_eq!(sink.rows().await, expected);
    assert_eq!(sink.totals().await.unwrap(), History::totals(&expected));
}
