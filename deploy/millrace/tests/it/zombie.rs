//! A projector that was stopped, taken for dead, and goes on.

use nix::sys::signal::Signal;

use crate::harness::{PATIENCE, Role, Runs, Standing, World, eventually, tenant};

/// What the log says where a flush of somebody without a claim is not even begun: Redis has seen a later epoch, Postgres has
/// ended the transaction that was left open.
const REFUSALS: [&str; 2] = ["does not stand where it was left", "could not write"];

#[tokio::test]
async fn a_projector_that_comes_back_from_a_stop_is_fenced_off_and_applies_nothing_twice() {
    comes_back("consumer").await;
}

#[tokio::test]
async fn a_projector_that_comes_back_by_the_classic_protocol_is_fenced_off_and_applies_nothing_twice() {
    comes_back("classic").await;
}

async fn comes_back(protocol: &str) {
    let protocol = ("MILLRACE_GROUP_PROTOCOL", protocol);
    let (world, tenant, runs) = (World::shared(), tenant("zombie"), Runs::sample(30));
    world.import(&runs, &tenant).await;
    eventually("a backlog is in the topic", PATIENCE, async || world.in_topic(&tenant).await == runs.events)
        .await;

    // In very small batches: when it is stopped, it has many records in hand that it has not applied.
    let mut zombie = Role::start(&world, "projector", &[protocol, ("MILLRACE_BATCH_RECORDS_MAX", "5")]);
    let begun = async || world.standing(&tenant).await.has_begun();
    eventually("it applies the backlog", PATIENCE, begun).await;
    zombie.signal(Signal::SIGSTOP);
    let stopped = world.standing(&tenant).await;
    eprintln!("stopped at {stopped:?}");
    assert!(stopped.in_flight() > 100, "{stopped:?} leaves it too little in hand");

    let successor = Role::projector_with(&world, &[protocol]).await;
    world.drained(&tenant).await;
    let Standing { applied, .. } = world.standing(&tenant).await;
    zombie.signal(Signal::SIGCONT);
    eventually("what it has in hand is refused", PATIENCE, async || {
        zombie.assert_alive();
        let fenced = zombie.metric("millrace_projector_fence_rejections_total").await;
        fenced.is_some_and(|it| it > 0.0) || REFUSALS.iter().any(|it| zombie.log().contains(it))
    })
    .await;
    assert_eq!(world.standing(&tenant).await.applied, applied, "what it had in hand was applied again");

    eventually("each has its share of both groups", PATIENCE, async || {
        let of = async |role: &Role| role.metric("millrace_projector_partitions").await;
        of(&zombie).await == Some(12.0) && of(&successor).await == Some(12.0)
    })
    .await;
    let more = Runs::sample(40);
    world.import(&more, &tenant).await;
    world.drained(&tenant).await;
    zombie.stop().await;
    successor.stop().await;
    world.assert_proved().await;
}
