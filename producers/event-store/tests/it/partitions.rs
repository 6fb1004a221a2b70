//! Days are made and dropped while events are appended, and nothing of it shows in what is published.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use event_store::{EventStore, Expected};
use outbox::{Outbox, Retention, ensure_slot};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use uuid::Uuid;

use crate::fixture::{Events, aggregate, append, tenant};

/// What a subscriber of the publication gets from the slot: ids of inserted rows, and the tables they are said to be of.
async fn published(cdc: &mut PgConnection, slot: &str) -> (Vec<Uuid>, BTreeSet<String>) {
    let rows = sqlx::query(
        "select data from pg_logical_slot_get_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', 'outbox')",
    )
    .bind(slot)
    .fetch_all(cdc)
    .await
    .unwrap();
    let (mut ids, mut tables, mut names) = (vec![], BTreeSet::new(), HashMap::new());
    for row in rows {
        let message: Vec<u8> = row.get(0);
        let oid = message.get(1..5).map(<[u8]>::to_vec);
        match message[0] {
            b'R' => {
                // Oid, then namespace and name, each ended by a zero.
                let name = message[5..].split(|&byte| byte == 0).nth(1).unwrap();
                names.insert(oid, String::from_utf8(name.to_vec()).unwrap());
            }
            b'I' => {
                // Oid, 'N', count of columns; then the first column: kind, length, text.
                let id = std::str::from_utf8(&message[13..13 + 36]).unwrap();
                ids.push(id.parse().unwrap());
                tables.insert(names[&oid].clone());
            }
            _ => {}
        }
    }
    (ids, tables)
}

#[tokio::test]
async fn a_fresh_outbox_has_two_weeks_and_rolling_again_changes_nothing() {
    let events = Events::new().await;
    let outbox = Outbox::new(events.owner.clone());
    assert_eq!(outbox.partitions().await.unwrap().len(), 15);
    let retention = Retention::default();
    assert_eq!(outbox.roll(retention).await.unwrap(), outbox::Rolled::default());
    let more = outbox.roll(Retention { days_ahead: 16, ..retention }).await.unwrap();
    assert_eq!((more.created.len(), more.dropped.len()), (2, 0));
}

#[tokio::test]
async fn a_drop_that_was_cut_short_is_finished_by_the_next_roll() {
    let events = Events::new().await;
    let (outbox, mut owner) = (Outbox::new(events.owner.clone()), events.connect("owner").await);
    for (day, end) in [("2020-01-01", "detach"), ("2020-01-02", "")] {
        past_day(&mut owner, day).await;
        if end == "detach" {
            let table = day.replace('-', "");
            owner
                .execute(sqlx::raw_sql(AssertSqlSafe(format!(
                    "alter table outbox detach partition outbox_{table}"
                ))))
                .await
                .unwrap();
        }
    }
    let rolled = outbox.roll(Retention::default()).await.unwrap();
    assert_eq!(rolled.dropped, ["outbox_20200101", "outbox_20200102"]);
    assert_eq!(outbox.partitions().await.unwrap().len(), 15);
}

/// Its table is there, but takes no rows: an event that is published again on that day would have no place.
#[tokio::test]
async fn a_day_whose_partition_is_detached_wholly_or_half_is_opened_again() {
    let events = Events::new().await;
    let (mut owner, mut reader) = (events.connect("owner").await, events.connect("owner").await);
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    for (day, half) in [("2020-01-01", false), ("2020-01-02", true)] {
        past_day(&mut owner, day).await;
        let before = fill_past_day(&mut owner, day).await;
        let table = format!("outbox_{}", day.replace('-', ""));
        let detach = |how: &str| AssertSqlSafe(format!("alter table outbox detach partition {table} {how}"));
        if half {
            // A transaction that has looked at it keeps the second half of the work waiting.
            reader.execute("begin; select count(*) from outbox").await.unwrap();
            owner.execute("set lock_timeout = '100ms'").await.unwrap();
            owner.execute(sqlx::raw_sql(detach("concurrently"))).await.unwrap_err();
            reader.execute("rollback").await.unwrap();
            owner.execute("reset lock_timeout").await.unwrap();
        } else {
            owner.execute(sqlx::raw_sql(detach(""))).await.unwrap();
        }
        let mut open = async || {
            let opened = format!("select outbox_open('{day}')");
            sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(opened))
                .fetch_one(&mut owner)
                .await
                .unwrap()
        };
        assert_eq!(open().await, Some(table), "{day}");
        assert_eq!(open().await, None, "it is there now");
        fill_past_day(&mut owner, day).await;
        let rows: i64 = sqlx::query_scalar("select count(*) from outbox where recorded_at::date = $1::date")
            .bind(day.parse::<chrono::NaiveDate>().unwrap())
            .fetch_one(&mut owner)
            .await
            .unwrap();
        assert_eq!(rows as usize, before.len() * 2, "what it had is there again");
    }
}

#[tokio::test]
async fn a_roll_whose_connection_breaks_says_what_it_was_about() {
    let events = Events::new().await;
    let breaks =
        "create or replace function outbox_roll(days_ahead integer) returns setof text language sql volatile
        as $$ select pg_terminate_backend(pg_backend_pid())::text $$";
    events.owner.execute(breaks).await.unwrap();
    let outbox = Outbox::new(events.owner.clone());
    let failed = outbox.roll(Retention::default()).await.unwrap_err().to_string();
    assert!(failed.contains("make the outbox's partitions"), "{failed}");
    // And the pool is none the worse.
    assert_eq!(outbox.partitions().await.unwrap().len(), 15);
}

#[tokio::test]
async fn a_slot_of_another_database_is_not_taken_for_ours() {
    let (ours, theirs) = (Events::new().await, Events::new().await);
    let slot = testkit::unique("slot").replace('-', "_");
    let made = ensure_slot(&mut theirs.connect("cdc").await, &slot).await.unwrap();
    assert_eq!((made.ours, made.active, made.lost), (true, false, false));
    let refused = ensure_slot(&mut ours.connect("cdc").await, &slot).await.unwrap_err();
    assert!(refused.to_string().contains(theirs.database.name()), "{refused}");
}

/// Makes a partition for a day gone by.
async fn past_day(owner: &mut PgConnection, day: &str) {
    let statement = format!(
        "create table outbox_{} partition of outbox for values from ('{day}T00:00:00Z') to (timestamptz '{day}T00:00:00Z' + interval '1 day')",
        day.replace('-', "")
    );
    owner.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap();
}

/// Writes rows into a day gone by, as if they had been there since.
async fn fill_past_day(owner: &mut PgConnection, day: &str) -> Vec<Uuid> {
    let ids: Vec<Uuid> = (0..20).map(|_| Uuid::now_v7()).collect();
    sqlx::query(
        "insert into outbox (id, aggregate_type, aggregate_id, event_type, aggregate_version, tenant_id, occurred_at, recorded_at, payload)
         select id, 'thing', gen_random_uuid(), 'ThingHappened', 1, 'acme', now(), $2::timestamptz, '\\x000000000142'
         from unnest($1::uuid[]) as id",
    )
    .bind(&ids)
    .bind(format!("{day}T12:00:00Z").parse::<chrono::DateTime<chrono::Utc>>().unwrap())
    .execute(owner)
    .await
    .unwrap();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_and_dropping_days_under_load_loses_nothing() {
    let (events, slot) = (Events::new().await, testkit::unique("slot").replace('-', "_"));
    let mut cdc = events.connect("cdc").await;
    ensure_slot(&mut cdc, &slot).await.unwrap();
    ensure_slot(&mut cdc, &slot).await.expect("repeating it changes nothing");

    let done = std::sync::Arc::new(AtomicBool::new(false));
    let mut appenders = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (store, done) = (events.store().await, done.clone());
        appenders.spawn(async move {
            let mut ids = BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                let append = append(aggregate(), Expected::None, 10);
                store
                    .append(&tenant("acme"), std::slice::from_ref(&append))
                    .await
                    .expect("rolling stops no append");
                ids.extend(append.events.iter().map(|event| event.event_id.0));
            }
            ids
        });
    }

    let (outbox, mut owner) = (Outbox::new(events.owner.clone()), events.connect("owner").await);
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    let mut wanted = BTreeSet::new();
    for round in 0..12_u16 {
        let day = format!("2020-01-{:02}", round + 1);
        past_day(&mut owner, &day).await;
        wanted.extend(fill_past_day(&mut owner, &day).await);
        let rolled = outbox.roll(Retention { days_ahead: 15 + round, days_kept: 3 }).await.unwrap();
        assert_eq!((rolled.created.len(), rolled.dropped.len()), (1, 1), "{rolled:?}");
    }
    done.store(true, Ordering::Relaxed);
    while let Some(ids) = appenders.join_next().await {
        wanted.extend(ids.unwrap());
    }

    let (ids, tables) = published(&mut cdc, &slot).await;
    assert_eq!(ids.len(), wanted.len(), "nothing twice");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), wanted, "nothing missed, nothing foreign");
    assert_eq!(tables.into_iter().collect::<Vec<_>>(), ["outbox"], "whatever the partition");
}
