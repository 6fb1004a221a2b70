//! Keys of data subjects in Postgres: one live key each, destroyed under an audit, never deleted.

use std::sync::Arc;

use event_store::PgSubjectKeys;
use events::{AggregateId, EventId, TenantId};
use personal_data::{ERASED, KeyStore, Keyring, MasterKeys, Place, SubjectId};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use uuid::Uuid;

use crate::fixture::{Events, connections, tenant};

async fn keyring(events: &Events, stale_max: std::time::Duration) -> Keyring {
    let keys = PgSubjectKeys::new(connections(&events.database.url("app"), 16));
    Keyring::new(Arc::new(keys), MasterKeys::random("one"), stale_max)
}

async fn owner(events: &Events) -> PgConnection {
    let mut owner = events.connect("owner").await;
    owner.execute("set millrace.tenant = 'acme'").await.unwrap();
    owner
}

fn ada() -> SubjectId {
    "ada".parse().unwrap()
}

fn place(tenant: &TenantId) -> Place<'_> {
    Place { tenant, aggregate_id: AggregateId(Uuid::nil()), event_id: EventId(Uuid::nil()) }
}

#[tokio::test]
async fn a_subject_has_one_key_whoever_asks_first() {
    let events = Events::new().await;
    let keyring = Arc::new(keyring(&events, std::time::Duration::ZERO).await);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let keyring = keyring.clone();
        asking.spawn(async move { keyring.key_of(&tenant("acme"), &ada()).await.unwrap().key_id() });
    }
    let mut keys = asking.join_all().await;
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let others = keyring.key_of(&tenant("other"), &ada()).await.unwrap().key_id();
    assert_ne!(others, keys[0], "another tenant's subject of that name is somebody else");
}

#[tokio::test]
async fn a_destroyed_key_leaves_its_name_and_an_audit_and_nothing_that_opens() {
    let events = Events::new().await;
    let (acme, keyring) = (tenant("acme"), keyring(&events, std::time::Duration::ZERO).await);
    let mut name = "Ada Lovelace".to_owned();
    keyring.key_of(&acme, &ada()).await.unwrap().seal(place(&acme), [("name", &mut name)]).unwrap();
    let sealed = name.clone();
    keyring.open(place(&acme), [("name", &mut name)]).await.unwrap();
    assert_eq!(name, "Ada Lovelace");

    let mut owner = owner(&events).await;
    let erase =
        "select key_id from destroy_subject_keys('acme', 'ada', 'erase-subject', 'a person', 'she asked')";
    assert_eq!(owner.fetch_all(erase).await.unwrap().len(), 1);
    assert_eq!(
        owner.fetch_all(erase).await.unwrap().len(),
        0,
        "the second time there is nothing left to destroy"
    );
    let audits: i64 =
        sqlx::query_scalar("select count(*) from store_audit").fetch_one(&mut owner).await.unwrap();
    assert_eq!(audits, 1);

    name = sealed;
    keyring.open(place(&acme), [("name", &mut name)]).await.unwrap();
    assert_eq!(name, ERASED);
}

#[tokio::test]
async fn a_key_is_never_another_key_and_goes_only_under_an_audit() {
    let events = Events::new().await;
    let keyring = keyring(&events, std::time::Duration::ZERO).await;
    keyring.key_of(&tenant("acme"), &ada()).await.unwrap();
    let mut owner = owner(&events).await;
    for statement in [
        "delete from subject_key",
        "truncate subject_key",
        "update subject_key set subject = 'eve'",
        "update subject_key set key_id = gen_random_uuid()",
        "update subject_key set wrapped = null, master = null",
        "update subject_key set wrapped = null, master = null, destroyed_at = now(), destroyed_by = 1",
        "insert into subject_key (tenant_id, subject, key_id, wrapped, master)
         values ('acme', 'ada', gen_random_uuid(), '\\x00', 'm')",
    ] {
        let refused = owner.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await;
        assert!(refused.is_err(), "{statement}");
    }
    let mut app = events.connect("app").await;
    app.execute("set millrace.tenant = 'acme'").await.unwrap();
    for statement in ["delete from subject_key", "update subject_key set master = 'm'", "table store_audit"] {
        let refused = app.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{statement}: {refused}");
    }
}

#[tokio::test]
async fn another_tenant_finds_no_key() {
    let events = Events::new().await;
    let keys = PgSubjectKeys::new(connections(&events.database.url("app"), 2));
    let key = keys
        .ensure(&tenant("acme"), MasterKeys::random("one").new_key(&tenant("acme"), &ada()))
        .await
        .unwrap();
    assert!(keys.find(&tenant("acme"), key.key_id).await.unwrap().is_some());
    assert!(keys.find(&tenant("other"), key.key_id).await.unwrap().is_none());
}
