use local::Component;
use sqlx::{AssertSqlSafe, Executor};

use super::scene::{Fault, Scene};
use crate::harness::{PATIENCE, eventually};

pub(super) async fn postgres_is_killed(scene: &mut Scene) {
    let load = scene.load().await;
    let mut fault = Fault::begins("Postgres is killed (`kill -9`) under load");
    scene.kill(Component::Postgres).await;
    fault.raises(scene, "database_unreachable").await;
    scene.start(Component::Postgres).await;
    fault.is_mended();
    let acknowledged = load.ended().await;
    scene.assert_stored(&acknowledged).await;
    fault.is_over(scene).await;
}

pub(super) async fn the_slot_is_dropped_while_the_worker_is_down(scene: &mut Scene) {
    scene.kill(Component::Connect).await;
    scene.append_some().await;
    let mut fault = Fault::begins("the slot is dropped while Connect is down");
    scene.world.drop_slot().await;
    fault.raises(scene, "slot_lost").await;
    fault.raises(scene, "connect_unreachable").await;
    scene.start(Component::Connect).await;
    fault.is_mended();
    fault.is_over(scene).await;
    assert!(scene.guard.log().contains("events are published again"), "{}", scene.guard.log());
}

pub(super) async fn the_slot_is_dropped_and_made_again(scene: &mut Scene) {
    scene.world.program.done(&["connect", "stop"]).await;
    scene.append_some().await;
    let mut fault = Fault::begins("the slot is dropped and made again while the connector is stopped");
    let mut superuser = scene.world.superuser().await;
    let drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active";
    eventually("the slot is dropped", PATIENCE, async || {
        superuser.execute(drop).await.is_ok_and(|dropped| dropped.rows_affected() == 1)
    })
    .await;
    superuser.execute("select pg_create_logical_replication_slot('outbox', 'pgoutput')").await.unwrap();
    fault.raises(scene, "slot_lost").await;
    fault.is_over(scene).await;
}

/// Writes to a table of somebody else, in another database.
async fn others_write(scene: &Scene, megabytes: u32) {
    let mut others = scene.world.postgres("MILLRACE_POSTGRES_SUPERUSER_URL").await;
    others.execute("create table if not exists noise (text text)").await.unwrap();
    let insert =
        format!("insert into noise select repeat('x', 1000) from generate_series(1, {megabytes} * 1000)");
    others.execute(sqlx::raw_sql(AssertSqlSafe(insert))).await.unwrap();
    others.execute("truncate noise").await.unwrap();
}

pub(super) async fn log_is_dropped_that_the_slot_needs(scene: &mut Scene) {
    scene.sql("alter system set max_slot_wal_keep_size = '96MB'").await;
    scene.sql("select pg_reload_conf()").await;
    scene.world.program.done(&["connect", "stop"]).await;
    scene.append_some().await;
    let mut fault =
        Fault::begins("the log outgrows `max_slot_wal_keep_size` (96 MB) while the connector is stopped");
    others_write(scene, 64).await;
    fault.raises(scene, "log_retained").await;
    assert_eq!(scene.guard.metric("millrace_connect_guard_slot_lost").await, Some(0.0), "it is told before");
    others_write(scene, 96).await;
    scene.sql("checkpoint").await;
    fault.raises(scene, "slot_lost").await;
    scene.sql("alter system reset max_slot_wal_keep_size").await;
    scene.sql("select pg_reload_conf()").await;
    fault.is_mended();
    fault.is_over(scene).await;
}

pub(super) async fn the_publication_is_altered(scene: &mut Scene) {
    let mut fault = Fault::begins("the publication is altered by hand");
    scene.sql("alter publication outbox set (publish_via_partition_root = false)").await;
    scene.append_some().await;
    fault.raises(scene, "slot_lost").await;
    scene.sql("alter publication outbox set (publish_via_partition_root = true)").await;
    fault.is_mended();
    fault.is_over(scene).await;
}

pub(super) async fn others_write_while_the_outbox_is_idle(scene: &mut Scene) {
    const BOUND: i64 = 24 << 20;
    let fault = Fault::begins("the outbox is idle while others write 128 MB");
    others_write(scene, 128).await;
    assert!(scene.retained_bytes().await > BOUND, "nothing was piled up");
    eventually("the heartbeat lets the log go", PATIENCE, async || scene.retained_bytes().await < BOUND)
        .await;
    fault.is_over(scene).await;
}

pub(super) async fn the_heartbeat_may_not_be_written(scene: &mut Scene) {
    let mut fault = Fault::begins("the heartbeat may not be written (`revoke update`), the outbox is idle");
    scene.sql("revoke update on cdc_heartbeat from cdc").await;
    others_write(scene, 64).await;
    fault.raises(scene, "log_retained").await;
    fault.raises(scene, "heartbeat_late").await;
    fault.raises(scene, "slot_stands").await;
    scene.sql("grant update on cdc_heartbeat to cdc").await;
    fault.is_mended();
    fault.is_over(scene).await;
}

/// Ends what Debezium has open, so that it has to come in again.
async fn end_sessions(scene: &Scene) {
    scene
        .sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'cdc' and application_name like 'Debezium%'")
        .await;
}

pub(super) async fn a_grant_is_revoked(scene: &mut Scene) {
    let load = scene.load().await;
    let mut fault = Fault::begins("a grant is revoked (`revoke select on outbox`), its sessions end");
    scene.sql("revoke select on outbox from cdc").await;
    end_sessions(scene).await;
    fault.raises(scene, "task_failed").await;
    scene.sql("grant select on outbox to cdc").await;
    fault.is_mended();
    load.ended().await;
    fault.is_over(scene).await;
}

pub(super) async fn the_password_is_rotated(scene: &mut Scene) {
    let load = scene.load().await;
    let mut fault = Fault::begins("the password of `cdc` is rotated, its sessions end");
    let secrets = scene.world.fact("MILLRACE_CONNECT_SECRETS").to_owned();
    let (before, old) = (
        std::fs::read_to_string(&secrets).unwrap(),
        scene.world.fact("MILLRACE_POSTGRES_CDC_PASSWORD").to_owned(),
    );
    scene.sql("alter role cdc password 'another-one'").await;
    end_sessions(scene).await;
    fault.raises(scene, "task_failed").await;
    assert!(before.contains(&old));
    std::fs::write(&secrets, before.replace(&old, "another-one")).unwrap();
    fault.is_mended();
    load.ended().await;
    fault.is_over(scene).await;
}
