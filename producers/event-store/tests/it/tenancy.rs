//! Whose data it is, whatever happens in between.

use std::time::Duration;

use event_store::{AppendError, EventStore, Expected, PgEventStore};
use events::AggregateId;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use crate::fixture::{Events, aggregate, append, connections, tenant};

/// A wait that no passing test sees the end of.
const LONG: Duration = Duration::from_secs(60);

/// Rows of `event_store` that a statement touched, in a transaction of its own, by any plan.
async fn touched(app: &mut PgConnection, statement: &'static str, id: AggregateId) -> i64 {
    let mut transaction = app.begin().await.unwrap();
    sqlx::query(statement).bind(id.0).fetch_all(&mut *transaction).await.unwrap();
    let touched = sqlx::query_scalar(
        "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = 'event_store'",
    )
    .fetch_one(&mut *transaction)
    .await
    .unwrap();
    transaction.rollback().await.unwrap();
    touched
}

#[tokio::test]
async fn another_tenants_history_costs_what_an_unknown_one_costs() {
    const LOAD: &str = "select * from read_aggregate('other', $1, 0, null, null, null, null, 1000)";
    const APPEND: &str =
        "select * from append_events('other', array[$1::uuid], array['thing'], array[7::bigint], array[1],
        array[gen_random_uuid()], array['ThingHappened'], array['\\x000000000142'::bytea], array['{}'::jsonb],
        array['{}'::jsonb], array[now()], null, null)";
    let (events, theirs) = (Events::new().await, aggregate());
    let store = events.store().await;
    store.append(&tenant("acme"), &[append(theirs, Expected::None, 500)]).await.unwrap();
    // As autovacuum may see it: to the planner there is one tenant.
    events.connect("owner").await.execute("analyze event_store").await.unwrap();
    for _ in 0..20 {
        store.append(&tenant("other"), &[append(aggregate(), Expected::None, 20)]).await.unwrap();
    }
    let mut app = events.connect("app").await;
    for statistics in ["of one tenant", "fresh"] {
        // Seven times: the last plans are those for any value.
        for _ in 0..7 {
            for statement in [LOAD, APPEND] {
                let (unknown, foreign) = (
                    touched(&mut app, statement, aggregate()).await,
                    touched(&mut app, statement, theirs).await,
                );
                assert_eq!(foreign, unknown, "with statistics {statistics}: {statement}");
            }
        }
        events.connect("owner").await.execute("analyze event_store").await.unwrap();
    }
    // The count can tell: their own tenant does touch them.
    let own = "select * from read_aggregate('acme', $1, 0, null, null, null, null, 1000)";
    assert!(touched(&mut app, own, theirs).await >= 500);
}

/// The tenant that a connection would read as by itself.
async fn left_behind(app: &mut PgConnection) -> String {
    sqlx::query_scalar("select coalesce(current_setting('millrace.tenant', true), '')")
        .fetch_one(app)
        .await
        .unwrap()
}

#[tokio::test]
async fn no_error_leaves_a_tenant_behind_in_a_connection() {
    let (events, id) = (Events::new().await, aggregate());
    let store = events.store().await;
    store.append(&tenant("acme"), &[append(id, Expected::None, 1)]).await.unwrap();
    let mut app = events.connect("app").await;
    let bad =
        "select * from append_events('acme', array[$1::uuid], array['other'], array[-1::bigint], array[1],
        array[gen_random_uuid()], array['ThingHappened'], array['\\x000000000142'::bytea], array['{}'::jsonb],
        array['{}'::jsonb], array[now()], null, null)";
    sqlx::query(bad).bind(id.0).execute(&mut app).await.expect_err("an aggregate keeps its type");
    assert_eq!(left_behind(&mut app).await, "");
    let late = append(id, Expected::None, 1);
    PgEventStore::append_within(&mut app, &tenant("acme"), &[late]).await.expect_err("a conflict");
    assert_eq!(left_behind(&mut app).await, "");
    PgEventStore::append_within(&mut app, &tenant("acme"), &[append(id, Expected::Any, 1)]).await.unwrap();
    assert_eq!(left_behind(&mut app).await, "");
}

/// Callers that give up half-way: what they left is never lent to another tenant, and each append is whole or absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_are_cancelled_half_way_leak_nothing_and_are_whole_or_absent() {
    let events = Events::new().await;
    let store = PgEventStore::new(connections(&events.database.url("app"), 2));
    let busy = aggregate();
    store.append(&tenant("acme"), &[append(busy, Expected::None, 1)]).await.unwrap();
    // Somebody has the aggregate, so that whoever appends to it waits inside the statement until cancelled.
    let mut holder = events.connect("app").await;
    let mut holder = holder.begin().await.unwrap();
    PgEventStore::append_within(&mut holder, &tenant("acme"), &[append(busy, Expected::Any, 1)])
        .await
        .unwrap();
    let mut looking = events.connect("app").await;
    let mut seen: Vec<i32> = vec![];
    for _ in 0..6 {
        let (acme, pair) = (tenant("acme"), [append(busy, Expected::Any, 2)]);
        let waits = testkit::eventually("it waits for the holder", LONG, async || {
            let waiting =
                "select pid from pg_locks where locktype = 'advisory' and not granted and database = (
                select oid from pg_database where datname = current_database())";
            let pids: Vec<i32> = sqlx::query_scalar(waiting).fetch_all(&mut looking).await.unwrap();
            let is_new = pids.iter().any(|pid| !seen.contains(pid));
            seen.extend(pids);
            is_new
        });
        tokio::select! {
            appended = store.append(&acme, &pair) => panic!("the holder has the aggregate: {appended:?}"),
            () = waits => {} // and the append is cancelled
        }
        // Another tenant takes the place that became free.
        let theirs = aggregate();
        store.append(&tenant("other"), &[append(theirs, Expected::None, 1)]).await.unwrap();
        assert_eq!(store.load(&tenant("other"), busy, 0).await.unwrap(), []);
        assert_eq!(store.load(&tenant("acme"), theirs, 0).await.unwrap(), []);
    }
    holder.rollback().await.unwrap();
    // A cancelled append may still have been carried out by the server, but then all of it.
    let after = store.append(&tenant("acme"), &[append(busy, Expected::Any, 2)]).await.unwrap();
    assert_eq!((after.aggregates[0].version - 1) % 2, 0, "pairs only");
}

/// A thousand streams at once, of many tenants, over few connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_at_once_stay_apart() {
    let events = Events::new().await;
    let store = PgEventStore::new(connections(&events.database.url("app"), 8));
    let mut streams = JoinSet::new();
    for stream in 0..1000 {
        let store = store.clone();
        streams.spawn(async move {
            let (tenant, id) = (tenant(&format!("t{}", stream % 10)), aggregate());
            for version in 0..3 {
                store.append(&tenant, &[append(id, Expected::Exactly(version), 1)]).await.unwrap();
            }
            let found = store.load(&tenant, id, 0).await.unwrap();
            (found.len(), found.iter().all(|event| event.tenant == tenant))
        });
    }
    assert!(streams.join_all().await.into_iter().all(|found| found == (3, true)));
}

/// Whoever loses a race takes the version that is true now and tries again: no fork, no gap, nothing lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_on_eight_aggregates_make_no_fork_and_no_gap() {
    const ROUNDS: usize = 4;
    let events = Events::new().await;
    let store = PgEventStore::new(connections(&events.database.url("app"), 16));
    let ids: Vec<_> = (0..8).map(|_| aggregate()).collect();
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let (store, ids) = (store.clone(), ids.clone());
        writers.spawn(async move {
            // Each append is of two aggregates, in either order.
            let (a, b) = (ids[writer % 8], ids[(writer / 8 + writer % 8 + 1) % 8]);
            let (acme, mut at) = (tenant("acme"), [0, 0]);
            for _ in 0..ROUNDS {
                loop {
                    let mut both = vec![append(a, Expected::Exactly(at[0]), 1)];
                    if a != b {
                        both.push(append(b, Expected::Exactly(at[1]), 1));
                    }
                    match store.append(&acme, &both).await {
                        Ok(appended) => {
                            for (at, to) in at.iter_mut().zip(&appended.aggregates) {
                                *at = to.version;
                            }
                            break;
                        }
                        Err(AppendError::Conflict(conflicts)) => {
                            for conflict in conflicts {
                                at[usize::from(conflict.aggregate_id != a)] = conflict.actual;
                            }
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
            if a == b { ROUNDS } else { 2 * ROUNDS }
        });
    }
    let appended: usize = writers.join_all().await.into_iter().sum();
    let mut stored = 0;
    for id in ids {
        let versions: Vec<u64> =
            store.load(&tenant("acme"), id, 0).await.unwrap().iter().map(|event| event.version).collect();
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>());
        stored += versions.len();
    }
    assert_eq!(stored, appended);
}

/// The server ends a transaction in favour of another now and then; an append of its own is tried again, not for ever.
#[tokio::test]
async fn an_append_that_the_server_ended_for_another_is_tried_again_a_bounded_number_of_times() {
    let events = Events::new().await;
    let mut owner = events.connect("owner").await;
    // A sequence counts on when the transaction is undone.
    owner
        .execute(sqlx::raw_sql(
            "create sequence ended; grant usage on sequence ended to app;
             create function end_it() returns trigger language plpgsql as $$
             begin
                 if nextval('public.ended') % 4 <> 0 then
                     raise exception 'for another' using errcode = 'deadlock_detected';
                 end if;
                 return null;
             end $$;
             create trigger end_it after insert on event_store for each statement execute function end_it();",
        ))
        .await
        .unwrap();
    let (store, acme, id) = (events.store().await, tenant("acme"), aggregate());
    let appended = store.append(&acme, &[append(id, Expected::None, 2)]).await.expect("the fourth try");
    assert_eq!((appended.aggregates[0].version, store.load(&acme, id, 0).await.unwrap().len()), (2, 2));

    owner.execute("alter sequence ended increment by 4 restart with 1").await.unwrap();
    let ended = store.append(&acme, &[append(id, Expected::Exactly(2), 1)]).await;
    assert!(matches!(&ended, Err(AppendError::Store(error)) if error.is_transient()), "{ended:?}");
    let tries: i64 = sqlx::query_scalar("select last_value from ended").fetch_one(&mut owner).await.unwrap();
    assert_eq!(tries, 17, "five tries");
    assert_eq!(store.load(&acme, id, 0).await.unwrap().len(), 2);
}
