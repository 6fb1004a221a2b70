//! What Postgres cannot do now it can do later: it is waited for, and nothing parks.

use kafka::conformance::{History, Rig, Sink, Tally, Topic};
use projection_postgres::PostgresViews;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use testkit::{eventually, superuser};

use crate::broker::BOUND;
use crate::sink::{PostgresSink, TABLES};

/// An owner at work, on eight rows of one partition.
struct AtWork {
    sink: PostgresSink,
    topic: Topic,
    history: History,
    rig: Rig,
}

impl AtWork {
    async fn new() -> Self {
        let sink = PostgresSink::new().await;
        let store = sink.open().await;
        Self::with(sink, store).await
    }

    async fn with(sink: PostgresSink, store: PostgresViews<Tally>) -> Self {
        let (topic, mut history) = (Topic::default(), History::default());
        topic.append(0, (0..8).map(|n| history.started(n, "r")));
        let rig = Rig::start(store, &topic, &history);
        rig.assign(&[0]).await;
        rig.caught_up(&sink, &[0]).await;
        Self { sink, topic, history, rig }
    }

    fn load(&mut self) {
        let Self { topic, history, .. } = self;
        topic.append(0, (0..40).map(|i| history.called(i % 8, 3)));
    }

    /// Waits until the owner has met trouble so many times more.
    async fn meets_trouble(&self, what: &str, times: u64) {
        let faults = &self.rig.metrics().transient_faults;
        let met = faults.get();
        eventually(what, BOUND, async || faults.get() >= met + times).await;
    }

    /// Everything is applied once, and nothing is parked.
    async fn is_whole(&self, after: &str) {
        self.rig.caught_up(&self.sink, &[0]).await;
        assert_eq!(self.sink.rows().await, self.history.rows(), "{after}");
        assert_eq!(self.sink.totals().await.unwrap(), History::totals(&self.history.rows()), "{after}");
        assert!(self.sink.parked().await.is_empty(), "{after}");
    }
}

/// A trigger says what the server would: no disk here can be filled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_full_or_gives_up_is_waited_for_and_nothing_parks() {
    let mut work = AtWork::new().await;
    let full = [("53100", "disk_full"), ("53200", "out_of_memory"), ("40001", "serialization_failure")];
    let gives_up = [("57014", "query_canceled"), ("58030", "io_error")];
    for (code, name) in full.into_iter().chain(gives_up) {
        let trouble = format!(
            "create or replace function trouble() returns trigger language plpgsql as
                 $$ begin raise exception 'a test says so' using errcode = '{code}'; end $$;
             create trigger trouble before insert or update on tally for each statement execute function trouble()"
        );
        for statement in trouble.split_inclusive("$$;") {
            work.sink.execute("owner", statement).await.unwrap();
        }
        work.load();
        work.meets_trouble(name, 2).await;
        work.sink.execute("owner", "drop trigger trouble on tally").await.unwrap();
        work.is_whole(name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_no_connection_left_is_waited_for_and_nothing_parks() {
    let mut work = AtWork::new().await;
    let name = work.sink.name().to_owned();
    let limit = async |limit: i32| {
        let sql = format!("alter database {name} connection limit {limit}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut superuser().await).await.unwrap();
    };
    limit(0).await;
    work.sink.cut_connections().await;
    let refused = PgConnection::connect(&work.sink.url("views_writer")).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("53300"));
    work.load();
    work.meets_trouble("it is refused a connection", 2).await;
    limit(-1).await;
    work.is_whole("too many connections").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_waited_for_and_nothing_parks() {
    let mut work = AtWork::new().await;
    let name = work.sink.name().to_owned();
    let read_only = async |is_on: bool| {
        let sql = format!("alter database {name} set default_transaction_read_only = {is_on}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut superuser().await).await.unwrap();
        work.sink.cut_connections().await;
    };
    read_only(true).await;
    let refused = work.sink.execute("views_writer", "update tally set version = version").await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("25006"));
    work.topic.append(0, (0..40).map(|i| work.history.called(i % 8, 3)));
    work.meets_trouble("it may not write", 2).await;
    read_only(false).await;
    work.is_whole("a server that is read only").await;
}

/// A store that waits for a lock for as long as it takes, or for no time at all.
async fn waiting_for_locks(sink: &PostgresSink, lock_timeout_ms: u64) -> PostgresViews<Tally> {
    let mut config = sink.config();
    (config.views_lock_timeout_ms, config.views_statement_timeout_ms) = (lock_timeout_ms, 60_000);
    PostgresViews::open(&config, TABLES).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_holds_is_waited_for_and_nothing_parks() {
    let sink = PostgresSink::new().await;
    let store = waiting_for_locks(&sink, 20).await;
    let mut work = AtWork::with(sink, store).await;
    let mut somebody = work.sink.connect("views_writer").await;
    let mut open = somebody.begin().await.unwrap();
    sqlx::query("select from tally for update").execute(&mut *open).await.unwrap();
    work.load();
    work.meets_trouble("it waits for a lock in vain", 3).await;
    open.rollback().await.unwrap();
    work.is_whole("a lock that is held").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_is_the_victim_of_a_deadlock_is_done_again() {
    let sink = PostgresSink::new().await;
    let store = waiting_for_locks(&sink, 60_000).await;
    let mut work = AtWork::with(sink, store).await;
    let mut watcher = work.sink.connect("owner").await;
    loop {
        let mut somebody = work.sink.connect("views_writer").await;
        let mut open = somebody.begin().await.unwrap();
        sqlx::query("select from tally for update").execute(&mut *open).await.unwrap();
        work.load();
        eventually("the flush waits for our rows", BOUND, async || {
            let waiting = "select count(*) from pg_locks join pg_stat_activity using (pid)
                           where not granted and datname = current_database()";
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watcher).await.unwrap() > 0
        })
        .await;
        // It holds the offset. Whoever waits for a second without an end ends it: us, if we are late.
        let met = work.rig.metrics().transient_faults.get();
        let ours = sqlx::query("select from projection_offset for update").execute(&mut *open).await;
        open.rollback().await.unwrap();
        if ours.is_ok() {
            let faults = &work.rig.metrics().transient_faults;
            eventually("the flush was ended", BOUND, async || faults.get() > met).await;
            break;
        }
        work.is_whole("a deadlock that ended somebody else").await;
    }
    eventually("the server says that it was one", BOUND, async || {
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        sqlx::query_scalar::<_, i64>(deadlocks).fetch_one(&mut watcher).await.unwrap() > 0
    })
    .await;
    work.is_whole("a deadlock").await;
}
