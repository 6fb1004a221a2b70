//! Events leave the store only as ranges that say so, audited, and nothing else leaves with them.

use event_store::{AppendError, EventLog};
use event_store::{EventStore, Expected, PgEventLog, PgEventStore, StoreError, StoredEvent, Until};
use events::{AggregateId, Digest, Sum};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::fixture::{Events, aggregate, append, tenant};

struct Pruning {
    events: Events,
    store: PgEventStore,
    log: PgEventLog,
    owner: PgConnection,
    acme: AggregateId,
}

/// Five events of `acme`, and as many of another tenant.
async fn pruning() -> Pruning {
    let events = Events::new().await;
    let (store, log) = (events.store().await, events.log().await);
    let acme = aggregate();
    store.append(&tenant("acme"), &[append(acme, Expected::None, 5)]).await.unwrap();
    store.append(&tenant("other"), &[append(aggregate(), Expected::None, 5)]).await.unwrap();
    let mut owner = events.connect("owner").await;
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    Pruning { events, store, log, owner, acme }
}

impl Pruning {
    async fn stored(&self) -> Vec<StoredEvent> {
        self.log.read_all(0, 1000).await.unwrap()
    }

    async fn prune(&mut self, to: i64, reason: &str, digest: Option<&str>) -> Result<String, sqlx::Error> {
        let digests = digest.map(|digest| vec![digest.to_owned()]);
        sqlx::query(
            "select digest from prune_events('acme', $1, 'a person', 'because', array[$2], array[$3::bigint], $4, 'a file')",
        )
        .bind(reason)
        .bind(self.acme.0)
        .bind(to)
        .bind(digests)
        .fetch_one(&mut self.owner)
        .await
        .map(|row| row.get(0))
    }

    /// The constraint that refuses a script, which is undone.
    async fn refusal(&mut self, script: &str) -> String {
        let mut transaction = self.owner.begin().await.unwrap();
        let outcome = match transaction.execute(sqlx::raw_sql(AssertSqlSafe(script.to_owned()))).await {
            Ok(_) => transaction.commit().await,
            Err(error) => Err(error),
        };
        constraint(&outcome.expect_err("it should be refused"))
    }
}

fn constraint(error: &sqlx::Error) -> String {
    let refusal = error.as_database_error().unwrap_or_else(|| panic!("not a refusal: {error}"));
    refusal.constraint().map_or_else(|| refusal.message().to_owned(), ToOwned::to_owned)
}

fn sum(events: &[StoredEvent]) -> Sum {
    let mut sum = Sum::default();
    for event in events {
        sum.add(event.aggregate_id, event.version, event.event_id, Digest::of(&event.payload));
    }
    sum
}

#[tokio::test]
async fn histories_are_told_up_to_a_version_and_with_what_left_the_store() {
    let mut p = pruning().await;
    let stored = p.stored().await;
    let (acme, other) = (p.acme, stored.last().unwrap().aggregate_id);
    let wanted = [(acme, 4), (other, 2), (aggregate(), 9)];
    let told = p.log.histories(&wanted).await.unwrap();
    let mut expected: Vec<_> = [&stored[..4], &stored[5..7]].concat();
    expected.sort_by_key(|event| (event.aggregate_id, event.version));
    assert_eq!((told.events, told.pruned), (expected.clone(), vec![]));

    p.prune(3, "archived", None).await.unwrap();
    let told = p.log.histories(&wanted).await.unwrap();
    expected.retain(|event| event.aggregate_id == other || event.version == 4);
    assert_eq!(told.events, expected);
    let [left] = told.pruned.as_slice() else { panic!("{:?}", told.pruned) };
    assert_eq!((left.aggregate_id, left.from_version, left.to_version), (acme, 1, 3));
}

#[tokio::test]
async fn what_is_pruned_is_counted_summed_and_audited_and_nothing_else_leaves() {
    let mut p = pruning().await;
    let before = p.stored().await;
    let (leaves, stays): (Vec<_>, Vec<_>) =
        before.into_iter().partition(|event| event.aggregate_id == p.acme && event.version <= 3);

    let digest = p.prune(3, "archived", Some(&sum(&leaves).to_string())).await.unwrap();
    assert_eq!(digest.parse(), Ok(sum(&leaves)), "the database sums as Rust does");
    assert_eq!(p.stored().await, stays, "every other row is as it was");

    let (from, to, count): (i64, i64, i64) =
        sqlx::query_as("select from_version, to_version, events from pruned")
            .fetch_one(&mut p.owner)
            .await
            .unwrap();
    assert_eq!((from, to, count), (1, 3, 3));
    let audit: (String, String, String, i64, Option<String>) =
        sqlx::query_as("select action, actor, reason, events, digest from store_audit")
            .fetch_one(&mut p.owner)
            .await
            .unwrap();
    assert_eq!(audit, ("prune".into(), "a person".into(), "because".into(), 3, Some(digest)));

    p.store
        .append(&tenant("acme"), &[append(p.acme, Expected::Exactly(5), 1)])
        .await
        .expect("the stream goes on");
}

#[tokio::test]
async fn an_archived_history_is_an_error_and_never_a_shorter_one() {
    let mut p = pruning().await;
    p.prune(3, "archived", None).await.unwrap();
    let acme = tenant("acme");
    let load = async |after, until| {
        p.store
            .load_until(&acme, p.acme, after, until)
            .await
            .map(|events| events.iter().map(|e| e.version).collect())
    };
    let archived = |answer: Result<Vec<u64>, StoreError>| {
        let Err(StoreError::Archived { aggregate_id, from_version, through_version }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((aggregate_id, from_version, through_version), (p.acme, 1, 3));
    };
    let long_ago = events::Timestamp::from_micros(2);
    archived(load(0, Until::Now).await);
    archived(load(2, Until::Now).await);
    archived(load(0, Until::Version(2)).await);
    archived(load(0, Until::Version(4)).await);
    archived(load(0, Until::Occurred(long_ago)).await);
    assert_eq!(load(3, Until::Now).await.unwrap(), [4, 5]);
    assert_eq!(load(4, Until::Version(5)).await.unwrap(), [5]);
    assert_eq!(load(2, Until::Version(2)).await.unwrap(), [0; 0]);
    let elsewhere = p.store.load(&tenant("other"), p.acme, 0).await.unwrap();
    assert_eq!(elsewhere, [], "another tenant learns nothing of it");

    let late = p.store.append(&acme, &[append(p.acme, Expected::Exactly(2), 1)]).await;
    let Err(AppendError::Conflict(conflicts)) = late else { panic!("{late:?}") };
    assert_eq!((conflicts[0].actual, conflicts[0].events[0].version), (5, 4));
}

#[tokio::test]
async fn a_range_is_back_when_its_events_are_as_they_left_and_an_archives_restoration_says_so() {
    let mut p = pruning().await;
    let before = p.stored().await;
    p.owner.execute("create table kept as select * from event_store where version <= 3").await.unwrap();
    p.prune(3, "archived", None).await.unwrap();
    let audit =
        |action: &str| format!("select begin_restoration('acme', '{action}', 'me', 'why', 3, null, '{{}}');");
    let (archive, backup) = (audit("restore-archive"), audit("restore-backup"));
    let insert = |which: &str| {
        format!(
            "select restore_events('acme', (select max(audit_id) from store_audit), array_agg(position),
                array_agg(aggregate_id), array_agg(aggregate_type), array_agg(version), array_agg(event_id),
                array_agg(event_type), array_agg(payload), array_agg(event_data), array_agg(metadata),
                array_agg(occurred_at), array_agg(recorded_at), array_agg(transaction_id::text::bigint))
             from kept where {which};"
        )
    };
    let (events, some) = (insert("true"), insert("version <= 2"));
    let other = events.replace("array_agg(payload)", "array_agg(payload || '\\x00')");
    let mark = "update pruned set restored_by = (select max(audit_id) from store_audit);";

    const NOT_BACK: &str = "pruned_only_comes_back";
    for (script, refusal) in [
        (mark.to_owned(), "never changed"),
        (format!("{backup} {events} {mark}"), "never changed"),
        (format!("{archive} {mark}"), NOT_BACK),
        (format!("{archive} {some} {mark}"), NOT_BACK),
        (format!("{archive} {other} {mark}"), NOT_BACK),
    ] {
        let refused = p.refusal(&script).await;
        assert!(refused.contains(refusal), "{script}: {refused}");
        let load = p.store.load(&tenant("acme"), p.acme, 0).await;
        assert!(matches!(load, Err(StoreError::Archived { .. })), "{script}: {load:?}");
    }

    let whole = format!(
        "begin; {archive} {events} select mark_restored('acme', (select max(audit_id) from store_audit), 'a file'); commit"
    );
    p.owner.execute(sqlx::raw_sql(AssertSqlSafe(whole))).await.unwrap();
    assert_eq!(p.store.load(&tenant("acme"), p.acme, 0).await.unwrap().len(), 5);
    assert_eq!(p.stored().await, before);
    assert!(p.refusal(&format!("{archive} {mark}")).await.contains("never changed"), "it comes back once");
}

#[tokio::test]
async fn a_delete_that_no_range_names_exactly_is_refused_and_so_is_a_range_without_an_audit() {
    const NOT_PRUNED: &str = "event_store_only_pruned";
    let mut p = pruning().await;
    let before = p.stored().await;
    let digest = sum(&before[..3]).to_string();
    let audit =
        "insert into store_audit (tenant_id, action, actor, reason) values ('acme', 'prune', 'me', 'why');";
    let range = |tenant: &str, to: i64, digest: &str| {
        format!(
            "{audit} insert into pruned (tenant_id, aggregate_id, aggregate_type, from_version, to_version, reason, digest, last_position, audit_id)
             values ('{tenant}', '{}', 'thing', 1, {to}, 'withdrawn', '{digest}', {to}, (select max(audit_id) from store_audit));",
            before[0].aggregate_id
        )
    };
    let exact = range("acme", 3, &digest);
    let delete = |versions: &str| format!("delete from event_store where version {versions}");

    assert_eq!(p.refusal("delete from event_store").await, NOT_PRUNED);
    assert_eq!(p.refusal(&format!("{exact} {}", delete("<= 4"))).await, NOT_PRUNED, "one row more");
    assert_eq!(p.refusal(&format!("{exact} {}", delete("<= 2"))).await, NOT_PRUNED, "one row less");
    assert_eq!(p.refusal(&exact).await, "pruned_is_gone", "a range that stays");
    let wrong = range("acme", 3, &"0".repeat(32));
    assert_eq!(p.refusal(&format!("{wrong} {}", delete("<= 3"))).await, NOT_PRUNED, "another sum");
    let all = range("acme", 5, &sum(&before[..5]).to_string());
    assert_eq!(p.refusal(&format!("{all} {}", delete("<= 5"))).await, NOT_PRUNED, "the last event");
    let others = range("other", 3, &digest);
    assert!(p.refusal(&others).await.contains("row-level security"), "in another tenant's name");
    let unaudited = exact.replace(audit, "");
    assert!(p.refusal(&unaudited).await.contains("null value in column \"audit_id\""));

    p.owner.execute(sqlx::raw_sql(audit)).await.unwrap();
    assert_eq!(p.refusal(&unaudited).await, "pruned_audit_fkey", "under another transaction's audit");
    assert_eq!(p.stored().await, before);

    // The same script, exact, is what prune_events does.
    p.owner
        .execute(sqlx::raw_sql(AssertSqlSafe(format!("begin; {exact} {}; commit", delete("<= 3")))))
        .await
        .unwrap();
    assert_eq!(p.stored().await, before[3..]);
}

#[tokio::test]
async fn pruning_refuses_what_is_not_there_what_differs_and_the_last_event() {
    let mut p = pruning().await;
    let before = p.stored().await;
    for (to, digest, refusal) in [
        (6, None, "prune_events_differ"),
        (3, Some("00000000000000000000000000000000"), "prune_events_differ"),
        (5, None, "event_store_only_pruned"),
    ] {
        assert_eq!(constraint(&p.prune(to, "archived", digest).await.unwrap_err()), refusal, "{to}");
    }
    assert_eq!(constraint(&p.prune(3, "tired of it", None).await.unwrap_err()), "pruned_reason_check");
    assert_eq!(p.stored().await, before);
    p.prune(5, "tenant-removed", None).await.expect("a removed tenant keeps nothing");
    assert_eq!(p.stored().await, before[5..]);
}

#[tokio::test]
async fn an_audit_and_a_range_are_never_changed_and_only_their_tenant_and_the_auditor_see_them() {
    let mut p = pruning().await;
    p.prune(3, "archived", None).await.unwrap();
    for statement in [
        "delete from store_audit",
        "truncate store_audit cascade",
        "update store_audit set actor = 'nobody'",
        "delete from pruned",
        "truncate pruned",
        "update pruned set digest = repeat('0', 32)",
    ] {
        let refused = p.refusal(statement).await;
        assert!(refused.contains("never changed"), "{statement}: {refused}");
    }

    let count = async |role: &str, tenant: &str, table: &str| {
        let mut connection = p.events.connect(role).await;
        let set = format!("set millrace.tenant = '{tenant}'");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(set))).await.unwrap();
        let count = AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar::<_, i64>(count).fetch_one(&mut connection).await
    };
    for (role, tenant, seen) in [("owner", "acme", 1), ("owner", "other", 0), ("auditor", "", 1)] {
        assert_eq!(count(role, tenant, "store_audit").await.unwrap(), seen, "{role} {tenant}");
        assert_eq!(count(role, tenant, "pruned").await.unwrap(), seen, "{role} {tenant}");
    }
    assert!(count("app", "acme", "store_audit").await.is_err());
    assert_eq!(count("app", "other", "pruned").await.unwrap(), 0);
    let mut app = p.events.connect("app").await;
    let denied =
        app.execute("select prune_events('acme', 'archived', 'me', 'why', '{}', '{}')").await.unwrap_err();
    assert!(denied.to_string().contains("permission denied"), "{denied}");
}

#[tokio::test]
async fn the_history_of_a_withdrawn_aggregate_begins_with_its_withdrawal() {
    let mut p = pruning().await;
    p.prune(2, "archived", None).await.unwrap();
    p.prune(4, "withdrawn", None).await.unwrap();
    let acme = tenant("acme");
    let load = async |after, until| match p.store.load_until(&acme, p.acme, after, until).await {
        Ok(events) => Ok(events.iter().map(|event| event.version).collect::<Vec<_>>()),
        Err(StoreError::Withdrawn { aggregate_id, through_version }) if aggregate_id == p.acme => {
            Err(through_version)
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(load(0, Until::Now).await, Ok(vec![5]), "what was archived before it does not count either");
    assert_eq!(load(0, Until::Version(5)).await, Ok(vec![5]));
    assert_eq!(load(4, Until::Version(4)).await, Ok(vec![]));
    // What was before is not there to be asked for.
    let at = events::Timestamp::from_micros;
    for until in [
        Until::Version(1),
        Until::Version(4),
        Until::Occurred(at(4)),
        Until::Recorded(at(0)),
        Until::Position(4),
    ] {
        assert_eq!(load(0, until).await, Err(4), "{until:?}");
    }
    for until in [Until::Occurred(at(5)), Until::Recorded(at(i64::MAX / 2)), Until::Position(5)] {
        assert_eq!(load(0, until).await, Ok(vec![5]), "{until:?}");
    }
    let elsewhere = p.store.load_until(&tenant("other"), p.acme, 0, Until::Version(1)).await.unwrap();
    assert_eq!(elsewhere, [], "another tenant learns nothing of it");
}

#[tokio::test]
async fn a_removed_tenants_last_events_leave_and_no_reader_stands_beyond_the_log() {
    let mut p = pruning().await;
    let newest = append(p.acme, Expected::Exactly(5), 1);
    p.store.append(&tenant("acme"), &[newest]).await.unwrap();
    assert_eq!(p.log.settled_position().await.unwrap(), 11);
    p.prune(6, "tenant-removed", None).await.unwrap();
    assert_eq!(p.stored().await.last().unwrap().position, 10);
    assert_eq!(p.log.settled_position().await.unwrap(), 11);
    assert_eq!(p.log.read_all(11, 10).await.unwrap(), []);
}
