use local::Component;

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
    scene.world.assert_stored(&acknowledged).await;
    fault.ends(scene).await;
}

pub(super) async fn others_write_while_the_outbox_is_idle(scene: &mut Scene) {
    const BOUND: i64 = 24 << 20;
    let fault = Fault::begins("the outbox is idle while others write 128 MB");
    scene.others_write(128).await;
    assert!(scene.retained_bytes().await > BOUND, "nothing was piled up");
    eventually("the heartbeat lets the log go", PATIENCE, async || scene.retained_bytes().await < BOUND)
        .await;
    fault.ends(scene).await;
}

pub(super) async fn the_heartbeat_may_not_be_written(scene: &mut Scene) {
    let mut fault = Fault::begins("the heartbeat may not be written (`revoke update`), the outbox is idle");
    scene.sql("revoke update on cdc_heartbeat from cdc").await;
    scene.others_write(64).await;
    fault.raises(scene, "log_retained").await;
    fault.raises(scene, "heartbeat_late").await;
    fault.raises(scene, "slot_stands").await;
    scene.sql("grant update on cdc_heartbeat to cdc").await;
    fault.is_mended();
    fault.ends(scene).await;
}

/// Ends what Debezium has open, so that it has to come in again.
async fn end_sessions(scene: &Scene) {
    scene
        .sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'cdc' and application_name like 'Debezium%'")
        .await;
}

pub(super) async fn the_role_may_not_log_in(scene: &mut Scene) {
    let load = scene.load().await;
    let mut fault = Fault::begins("`cdc` may not log in any more, its sessions end");
    scene.sql("alter role cdc nologin").await;
    end_sessions(scene).await;
    fault.raises(scene, "task_failed").await;
    scene.sql("alter role cdc login").await;
    fault.is_mended();
    load.ended().await;
    fault.ends(scene).await;
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
    fault.ends(scene).await;
}
