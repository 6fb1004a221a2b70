use local::Component;
use sqlx::Executor;

use super::scene::{Fault, Scene};
use crate::harness::{PATIENCE, eventually};

pub(super) async fn it_is_dropped_while_the_worker_is_down(scene: &mut Scene) {
    scene.kill(Component::Connect).await;
    scene.append_some().await;
    let mut fault = Fault::begins("the slot is dropped while Connect is down");
    scene.world.drop_slot().await;
    fault.raises(scene, "slot_lost").await;
    fault.raises(scene, "connect_unreachable").await;
    scene.start(Component::Connect).await;
    fault.is_mended();
    fault.ends(scene).await;
    assert!(scene.guard.log().contains("events are published again"), "{}", scene.guard.log());
}

pub(super) async fn it_is_dropped_and_made_again(scene: &mut Scene) {
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
    fault.ends(scene).await;
}

pub(super) async fn log_is_dropped_that_it_needs(scene: &mut Scene) {
    scene.sql("alter system set max_slot_wal_keep_size = '96MB'").await;
    scene.sql("select pg_reload_conf()").await;
    scene.world.program.done(&["connect", "stop"]).await;
    scene.append_some().await;
    let mut fault =
        Fault::begins("the log outgrows `max_slot_wal_keep_size` (96 MB) while the connector is stopped");
    scene.others_write(64).await;
    fault.raises(scene, "log_retained").await;
    assert_eq!(scene.guard.metric("millrace_connect_guard_slot_lost").await, Some(0.0), "it is told before");
    scene.others_write(96).await;
    scene.sql("checkpoint").await;
    fault.raises(scene, "slot_lost").await;
    scene.sql("alter system reset max_slot_wal_keep_size").await;
    scene.sql("select pg_reload_conf()").await;
    fault.is_mended();
    fault.ends(scene).await;
}

pub(super) async fn its_publication_is_altered(scene: &mut Scene) {
    let mut fault = Fault::begins("the publication is altered by hand");
    scene.sql("alter publication outbox set (publish_via_partition_root = false)").await;
    scene.append_some().await;
    fault.raises(scene, "slot_lost").await;
    scene.sql("alter publication outbox set (publish_via_partition_root = true)").await;
    fault.is_mended();
    fault.ends(scene).await;
}
