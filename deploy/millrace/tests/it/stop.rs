//! A projector that is told to stop while events are on their way.

use nix::sys::signal::Signal;

use crate::harness::{PATIENCE, Role, Runs, World, eventually, tenant};

#[tokio::test]
async fn a_projector_told_to_stop_with_a_backlog_drains_and_told_twice_ends_at_once_and_nothing_is_lost() {
    let (world, tenant, runs) = (World::shared(), tenant("stop"), Runs::sample(40));
    world.import(&runs, &tenant).await;
    eventually("a backlog is in the topic", PATIENCE, async || world.in_topic(&tenant).await == runs.events)
        .await;
    let in_small_batches = [("MILLRACE_BATCH_RECORDS_MAX", "5")];

    let told_once = Role::start(&world, "projector", &in_small_batches);
    eventually("it applies the backlog", PATIENCE, async || world.standing(&tenant).await.has_begun()).await;
    told_once.stop().await;
    let stopped = world.standing(&tenant).await;
    eprintln!("drained at {stopped:?}");
    assert!(stopped.in_flight() > 0, "{stopped:?} leaves no backlog");

    let told_twice = Role::start(&world, "projector", &in_small_batches);
    eventually("it goes on", PATIENCE, async || world.standing(&tenant).await != stopped).await;
    // It cannot drain while its flush waits for the offsets.
    let mut owner = world.postgres("MILLRACE_VIEWS_OWNER_URL").await;
    let mut holding = sqlx::Connection::begin(&mut owner).await.unwrap();
    sqlx::query("lock table projection_offset in exclusive mode").execute(&mut *holding).await.unwrap();
    told_twice.signal(Signal::SIGTERM);
    eventually("it drains", PATIENCE, async || told_twice.log().contains("shutdown requested")).await;
    told_twice.signal(Signal::SIGTERM);
    assert_eq!(told_twice.ended().await.code(), Some(130));
    holding.rollback().await.unwrap();
    let stopped = world.standing(&tenant).await;
    eprintln!("ended at {stopped:?}");
    assert!(stopped.in_flight() > 0, "{stopped:?} leaves no backlog");

    let successor = Role::projector(&world).await;
    world.drained(&tenant).await;
    successor.stop().await;
    world.assert_proved().await;
}
