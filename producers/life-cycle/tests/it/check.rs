//! A healthy store passes, and each thing that breaks is named.

use sqlx::{AssertSqlSafe, Executor};

use crate::fixture::{World, tenant};

async fn broken(by: &str) -> Vec<(&'static str, String)> {
    let world = World::new().await;
    let id = world.stream(&tenant("acme"), &["A", "B", "C", "D"]).await;
    let mut owner = world.connect("owner", "acme").await;
    let prune = format!(
        "select prune_events('acme', 'archived', 'me', 'why', array['{}'::uuid], array[1::bigint], null, 'f')",
        id.0
    );
    owner.execute(sqlx::raw_sql(AssertSqlSafe(prune))).await.unwrap();
    owner.execute(sqlx::raw_sql(AssertSqlSafe(by.to_owned()))).await.unwrap();
    let examine = async |event: &life_cycle::Payload| {
        if event.payload == [0, 0, 0, 0, 1, 42] { Ok(()) } else { Err("it is not 42".to_owned()) }
    };
    let violations = world.steward.check(examine).await.unwrap();
    violations.into_iter().map(|violation| (violation.check, violation.detail)).collect()
}

#[tokio::test]
async fn a_store_that_is_as_it_should_be_passes() {
    assert_eq!(broken("").await, []);
}

#[tokio::test]
async fn every_break_is_named() {
    let without = |trigger: &str, table: &str, statement: &str| {
        format!(
            "alter table {table} disable trigger {trigger}; {statement}; alter table {table} enable always trigger {trigger}"
        )
    };
    for (check, by, detail) in [
        (
            "versions",
            without("event_store_is_only_pruned", "event_store", "delete from event_store where version = 3"),
            "2 events, versions 2 to 4",
        ),
        (
            "versions",
            without("event_store_is_only_pruned", "event_store", "delete from event_store where version = 2"),
            "versions 3 to 4",
        ),
        (
            "pruned",
            without("pruned_only_comes_back", "pruned", "update pruned set from_version = 2, to_version = 2"),
            "range before it ends at 0",
        ),
        (
            "triggers",
            "alter table event_store disable trigger event_store_fills_outbox".into(),
            "event_store_fills_outbox of event_store is disabled",
        ),
        (
            "triggers",
            "drop trigger pruned_is_signed on pruned".into(),
            "pruned_is_signed of pruned is missing",
        ),
        (
            "row-security",
            "alter table subject_key no force row level security".into(),
            "subject_key does not force",
        ),
        (
            "row-security",
            "create table forgotten (tenant_id text)".into(),
            "forgotten has no row level security",
        ),
        (
            "outbox",
            "do $$ declare p text; begin
            for p in select inhrelid::regclass::text from pg_inherits order by 1 offset 2 loop
                execute 'drop table ' || p; end loop; end $$"
                .into(),
            "1 days after today",
        ),
        (
            "payloads",
            without(
                "event_store_is_immutable",
                "event_store",
                "update event_store set payload = '\\x00000000012b' where version = 3",
            ),
            "version 3 of aggregate",
        ),
    ] {
        let violations = broken(&by).await;
        assert!(
            violations.iter().any(|(broken, says)| *broken == check && says.contains(detail)),
            "{by}: {violations:?}"
        );
    }
}

#[tokio::test]
async fn statistics_count_what_is_there() {
    let world = World::new().await;
    let acme = tenant("acme");
    let long = world.stream(&acme, &["A", "B", "C"]).await;
    world.stream(&tenant("other"), &["A"]).await;
    let statistics = world.steward.statistics().await.unwrap();
    assert_eq!((statistics.events, statistics.bytes, statistics.recorded_last_hour), (4, 24, 4));
    assert_eq!(statistics.by_tenant_and_type.len(), 2);
    assert_eq!(
        (statistics.largest_streams[0].aggregate_id, statistics.largest_streams[0].events),
        (long.0, 3)
    );
    assert!(statistics.tables.iter().any(|table| table.name == "event_store" && table.index_bytes > 0));
    assert_eq!(statistics.appends.outbox_days_ahead, 14);
    assert_eq!(statistics.appends.settled_position, statistics.appends.last_position);
    assert_eq!(statistics.appends.slot_lag_bytes, None, "this database has no slot");
}
