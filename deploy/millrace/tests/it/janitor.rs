//! The janitor as a role: it does its chores under load, alone, and says when it cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_store::{Append, Connections, EventStore, Expected, IdempotencyKey, NewEvent, PgEventStore};
use events::{AggregateId, EventId, Metadata, Timestamp};
use nix::sys::signal::Signal;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use testkit::Database;
use uuid::Uuid;

use crate::harness::{PATIENCE, Role, World, eventually};

/// A store of one's own on the shared servers.
struct Store {
    database: Database,
    owner: PgConnection,
}

impl Store {
    async fn new() -> Self {
        let database = testkit::events_database().await;
        let pool = PgPool::connect(&database.url("owner")).await.unwrap();
        event_store::migrate(&pool).await.unwrap();
        let owner = PgConnection::connect(&database.url("owner")).await.unwrap();
        Self { database, owner }
    }

    fn janitor(&self, world: &World) -> Role {
        self.janitor_with(world, &[])
    }

    fn janitor_with(&self, world: &World, environment: &[(&str, &str)]) -> Role {
        let owner = self.database.url("owner");
        Role::start(world, "janitor", &[&[("MILLRACE_EVENTS_OWNER_URL", &*owner)], environment].concat())
    }

    fn appending(&self) -> PgEventStore {
        let options = self.database.url("app").parse().unwrap();
        PgEventStore::new(Connections::new(options, 4, PATIENCE))
    }

    async fn count(&mut self, what: &str) -> i64 {
        let count = format!("select count(*) from {what}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut self.owner).await.unwrap()
    }
}

fn append() -> Append {
    append_of(&["ThingHappened"])
}

fn append_of(types: &[&str]) -> Append {
    let event = |event_type: &&str| NewEvent {
        event_id: EventId(Uuid::now_v7()),
        event_type: (*event_type).into(),
        payload: vec![0, 0, 0, 0, 1, 42],
        data: serde_json::json!({}),
        metadata: Metadata::default(),
        occurred_at: Timestamp::from_micros(1),
    };
    let (aggregate_id, events) = (AggregateId(Uuid::now_v7()), types.iter().map(event).collect());
    Append { aggregate_id, aggregate_type: "thing".into(), expected: Expected::None, events }
}

const PAST_DAY: &str = "create table outbox_20200101 partition of outbox
    for values from ('2020-01-01T00:00:00Z') to ('2020-01-02T00:00:00Z')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_janitor_rolls_the_outbox_and_forgets_old_keys_while_events_are_appended() {
    let (world, mut store) = (World::shared(), Store::new().await);
    let acme = "acme".parse().unwrap();
    let key = |name: &str| IdempotencyKey::new(name, b"body").unwrap();
    for name in ["old", "new"] {
        store.appending().append_keyed(&acme, &[append()], Some(&key(name))).await.unwrap();
    }
    store.owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    store.owner.execute(PAST_DAY).await.unwrap();
    store
        .owner
        .execute("update command set answered_at = now() - interval '25 hours' where key = 'old'")
        .await
        .unwrap();
    let day = "select 'drop table ' || max(inhrelid::regclass::text) from pg_inherits where inhparent = 'outbox'::regclass";
    let drop_last: String = sqlx::query_scalar(day).fetch_one(&mut store.owner).await.unwrap();
    store.owner.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(drop_last))).await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let (appending, stopped) = (store.appending(), stop.clone());
    let appender = tokio::spawn(async move {
        let (acme, mut appended) = ("acme".parse().unwrap(), 2);
        while !stopped.load(Ordering::Relaxed) {
            appending.append(&acme, &[append()]).await.expect("the janitor stops no append");
            appended += 1;
        }
        appended
    });

    let janitor = store.janitor(&world);
    eventually("the chores are done", PATIENCE, async || {
        janitor
            .metric("millrace_janitor_chore_last_success_timestamp_seconds")
            .await
            .is_some_and(|sum| sum > 5e9) // each was
    })
    .await;
    assert_eq!(janitor.metric("millrace_janitor_outbox_days_ahead").await, Some(14.0));
    assert_eq!(janitor.metric("millrace_janitor_chore_failures_total").await, Some(0.0));
    assert_eq!(store.count("pg_class where relname = 'outbox_20200101'").await, 0);
    let left: Vec<String> =
        sqlx::query_scalar("select key from command").fetch_all(&mut store.owner).await.unwrap();
    assert_eq!(left, ["new"]);
    stop.store(true, Ordering::Relaxed);
    let appended: i64 = appender.await.unwrap();
    assert_eq!(store.count("event_store").await, appended);
    assert_eq!(store.count("outbox").await, appended, "each with its outbox row");
    // What is kept is answered; what is forgotten is carried out again.
    for (name, repeated) in [("new", true), ("old", false)] {
        let again = store.appending().append_keyed(&acme, &[append()], Some(&key(name))).await.unwrap();
        assert_eq!(again.repeated, repeated, "{name}");
    }
    janitor.stop().await;
}

#[tokio::test]
async fn of_two_janitors_one_works_and_the_other_takes_over_when_it_dies() {
    let (world, store) = (World::shared(), Store::new().await);
    let leads = async |janitor: &Role| janitor.metric("millrace_janitor_leader").await;
    let works = async |janitor: &Role| janitor.metric("millrace_janitor_chore_seconds").await;
    let first = store.janitor(&world);
    eventually("the first leads", PATIENCE, async || leads(&first).await == Some(1.0)).await;
    let second = store.janitor(&world);
    eventually("the second is there", PATIENCE, async || leads(&second).await.is_some()).await;
    // Stopped, not dead: its session still holds the lock.
    first.signal(Signal::SIGSTOP);
    eventually("the second has looked for the lock", PATIENCE, async || {
        second.metric("millrace_janitor_standbys_total").await.is_some_and(|looked| looked >= 3.0)
    })
    .await;
    assert_eq!((leads(&second).await, works(&second).await), (Some(0.0), Some(0.0)));
    first.kill().await;
    eventually("the second leads", PATIENCE, async || leads(&second).await == Some(1.0)).await;
    eventually("and works", PATIENCE, async || works(&second).await.is_some_and(|seconds| seconds > 0.0))
        .await;
    second.stop().await;
}

#[tokio::test]
async fn a_janitor_that_cannot_make_days_is_not_ready_and_says_why() {
    let (world, mut store) = (World::shared(), Store::new().await);
    // One day is left, and somebody sits on the outbox.
    let drop = "select 'drop table ' || string_agg(name, ', ') from (
        select inhrelid::regclass::text as name from pg_inherits where inhparent = 'outbox'::regclass) as days
        where name > 'outbox_' || to_char(now() at time zone 'UTC' + interval '1 day', 'YYYYMMDD')";
    let drop: String = sqlx::query_scalar(drop).fetch_one(&mut store.owner).await.unwrap();
    store.owner.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(drop))).await.unwrap();
    let mut sitting = PgConnection::connect(&store.database.url("owner")).await.unwrap();
    let mut sitting = sitting.begin().await.unwrap();
    sitting.execute("lock table outbox in access exclusive mode").await.unwrap();

    let janitor = store.janitor(&world);
    eventually("it says why it is not ready", PATIENCE, async || {
        janitor
            .get("/readyz")
            .await
            .is_some_and(|answer| answer.contains("503") && answer.contains("1 days ahead"))
    })
    .await;
    eventually("its failures are counted", PATIENCE, async || {
        janitor.metric("millrace_janitor_chore_failures_total").await.is_some_and(|failures| failures >= 1.0)
    })
    .await;
    sitting.rollback().await.unwrap();
    eventually("it is ready", PATIENCE, async || {
        janitor.get("/readyz").await.is_some_and(|answer| answer.contains("200"))
    })
    .await;
    janitor.stop().await;
}

#[tokio::test]
async fn old_snapshots_go_and_the_newest_stay() {
    let (world, mut store) = (World::shared(), Store::new().await);
    let snapshots = "insert into snapshot
        select 'acme', '00000000-0000-0000-0000-000000000001', 'thing', 1, version, gen_random_uuid(), '', 0, sha256('')
        from generate_series(1, 5) as version";
    store.owner.execute(snapshots).await.unwrap();
    let janitor = store.janitor_with(&world, &[("MILLRACE_SNAPSHOTS_KEPT", "3")]);
    let old = "snapshot where version <= 2";
    eventually("the old ones are gone", PATIENCE, async || store.count(old).await == 0).await;
    assert_eq!(store.count("snapshot").await, 3);
    janitor.stop().await;
}

#[tokio::test]
async fn streams_that_are_over_and_quiet_are_archived_where_a_policy_says_so() {
    let (world, mut store, folder) = (World::shared(), Store::new().await, tempfile::TempDir::new().unwrap());
    store.owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
    let over = ["ThingHappened", "ThingHappened", "ThingEnded"];
    for tenant in [&acme, &other] {
        for types in [&over[..], &over[..2]] {
            store.appending().append(tenant, &[append_of(types)]).await.unwrap();
        }
    }
    let (policy, archives) = (folder.path().join("policy.yaml"), folder.path().join("archives"));
    std::fs::write(&policy, "archive: { thing: { quiet_days: 0, over_with: [ThingEnded] } }").unwrap();
    std::fs::create_dir(&archives).unwrap();
    let auditor = store.database.url("auditor");
    let janitor = store.janitor_with(
        &world,
        &[
            ("MILLRACE_EVENTS_AUDITOR_URL", &*auditor),
            ("MILLRACE_RETENTION_POLICY", policy.to_str().unwrap()),
            ("MILLRACE_ARCHIVE_DIRECTORY", archives.to_str().unwrap()),
        ],
    );
    let archived = || std::fs::read_dir(&archives).unwrap().count();
    eventually("what is over is archived", PATIENCE, async || {
        store.count("event_store").await == 3 && archived() == 2
    })
    .await;
    let audit = "store_audit where actor = 'janitor' and action = 'prune' and events = 2";
    assert_eq!(store.count(audit).await, 1, "one archive a tenant, audited");
    assert_eq!(janitor.metric("millrace_janitor_chore_failures_total").await, Some(0.0));
    janitor.stop().await;
}

#[tokio::test]
async fn a_policy_without_a_place_for_archives_is_refused_at_the_start() {
    let world = World::shared();
    let policy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(policy.path(), "archive: {}").unwrap();
    let refused =
        world.program.run(&["run", "janitor", "--retention-policy", policy.path().to_str().unwrap()]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("--archive-directory"), "{refused:?}");
}

#[tokio::test]
async fn an_appender_that_does_not_end_is_ended_and_what_it_appended_is_not_there() {
    let (world, mut store) = (World::shared(), Store::new().await);
    let mut app = PgConnection::connect(&store.database.url("app")).await.unwrap();
    app.execute("set idle_in_transaction_session_timeout = 0").await.unwrap();
    let mut open = app.begin().await.unwrap();
    PgEventStore::append_within(&mut open, &"acme".parse().unwrap(), &[append()]).await.unwrap();
    let janitor = store.janitor_with(&world, &[("MILLRACE_APPENDER_HELD_MS_MAX", "10")]);
    eventually("it is ended", PATIENCE, async || {
        janitor.metric("millrace_appender_ended_total").await == Some(1.0)
    })
    .await;
    assert!(open.commit().await.is_err());
    store.owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    assert_eq!(store.count("event_store").await, 0);
    janitor.stop().await;
}
