//! kill -9 of each part of the chain while events are on their way through it.
//!
//! Projector and relay outlive every server: they are never started again here, but where the projector is what was killed.

use events::TenantId;
use local::Component;
use tokio::process::Child;

use crate::harness::{PATIENCE, Ran, Role, Runs, Standing, World, eventually, finish, import, tenant};

const RUNS: usize = 60;

/// Imports while a projector works; kills `component` once events have arrived while others are on their way.
async fn survives(component: Component) {
    let (world, tenant) = (World::shared(), tenant(component.name()));
    let (mut projector, mut relay) = (Role::projector(&world).await, Role::relay(&world));
    let pid = world.pid(component).await;

    let runs = Runs::sample(RUNS);
    let arguments = slowly(&runs, &tenant);
    let holding = world.hold(runs.last(&tenant)).await;
    let mut importing = world.program.start(&arguments);
    let at_kill = half_way(&world, &tenant, &runs).await;
    assert!(importing.try_wait().unwrap().is_none(), "the import is over, nothing more is on its way");
    world.kill(component, pid).await;
    drop(holding);
    eprintln!("{component} killed at {at_kill:?} of {}", runs.events);
    assert!(at_kill.has_begun() && at_kill.in_flight() > 0, "{at_kill:?} is no flight to break");

    let ready = async || projector.get("/readyz").await.unwrap_or_default();
    if let Component::Postgres | Component::Redis = component {
        let whose = format!("executions-{}: the sink has not answered", component.name());
        eventually("the projector says that its sink is away", PATIENCE, async || {
            let said = ready().await;
            said.contains("503") && said.contains(&whose)
        })
        .await;
    }
    world.up().await;
    assert_ne!(world.pid(component).await, pid, "another process");
    let imported = finish(importing, &arguments).await;
    complete(&world, &tenant, &runs, &imported).await;
    world.drained(&tenant).await;
    eventually("it is ready again", PATIENCE, async || ready().await.contains("200")).await;
    projector.assert_alive();
    relay.assert_alive();
    projector.stop().await;
    relay.stop().await;
    world.assert_proved().await;
}

/// One append at a time: so there is time to kill something while it goes on. Where its last run is held it goes on until then.
fn slowly<'a>(runs: &'a Runs, tenant: &'a TenantId) -> Vec<&'a str> {
    [&import(runs, tenant)[..], &["--concurrency", "1"]].concat()
}

/// Waits until events have arrived in both views while others are on their way.
async fn half_way(world: &World, tenant: &TenantId, runs: &Runs) -> Standing {
    let mut standing = Standing::default();
    eventually("events arrive while others are on their way", PATIENCE, async || {
        standing = world.standing(tenant).await;
        assert!(standing.applied.iter().all(|it| *it < runs.events), "{standing:?}: all arrived, unobserved");
        standing.has_begun() && standing.in_flight() > 0
    })
    .await;
    standing
}

/// Imports, and kills a projector half way: at the latest the last run comes after that.
async fn killed_half_way(
    world: &World,
    tenant: &TenantId,
    runs: &Runs,
    arguments: &[&str],
    killed: Role,
) -> Child {
    let holding = world.hold(runs.last(tenant)).await;
    let importing = world.program.start(arguments);
    let at_kill = half_way(world, tenant, runs).await;
    killed.kill().await;
    drop(holding);
    eprintln!("a projector killed at {at_kill:?} of {}", runs.events);
    importing
}

/// An import that could not wait for its server says so, and is run again; nothing is stored twice.
async fn complete(world: &World, tenant: &TenantId, runs: &Runs, imported: &Ran) {
    if imported.code != 0 {
        assert_eq!(imported.code, 1, "{imported:?}");
        assert!(imported.stderr.contains("was not stored"), "{imported:?}");
        world.import(runs, tenant).await;
    }
    assert_eq!(world.appended(tenant).await, runs.events);
}

#[tokio::test]
async fn every_event_arrives_once_when_postgres_is_killed() {
    survives(Component::Postgres).await;
}

#[tokio::test]
async fn every_event_arrives_once_when_redis_is_killed() {
    survives(Component::Redis).await;
}

#[tokio::test]
async fn every_event_arrives_once_when_the_broker_is_killed() {
    survives(Component::Kafka).await;
}

#[tokio::test]
async fn every_event_arrives_once_when_the_registry_is_killed() {
    survives(Component::Registry).await;
}

#[tokio::test]
async fn every_event_arrives_once_when_connect_is_killed() {
    survives(Component::Connect).await;
}

#[tokio::test]
async fn every_event_arrives_once_when_one_of_two_projectors_by_the_classic_protocol_is_killed() {
    let (world, tenant, runs) = (World::shared(), tenant("classic"), Runs::sample(RUNS));
    let classic = [("MILLRACE_GROUP_PROTOCOL", "classic"), ("MILLRACE_BATCH_RECORDS_MAX", "20")];
    let mut stays = Role::projector_with(&world, &classic).await;
    let killed = Role::start(&world, "projector", &classic);
    eventually("each has its share of both groups", PATIENCE, async || {
        let of = async |role: &Role| role.metric("millrace_projector_partitions").await;
        of(&stays).await == Some(12.0) && of(&killed).await == Some(12.0)
    })
    .await;
    let arguments = slowly(&runs, &tenant);
    let importing = killed_half_way(&world, &tenant, &runs, &arguments, killed).await;
    complete(&world, &tenant, &runs, &finish(importing, &arguments).await).await;
    world.drained(&tenant).await;
    stays.assert_alive();
    stays.stop().await;
    world.assert_proved().await;
}

#[tokio::test]
async fn every_event_arrives_once_when_the_projector_is_killed() {
    let (world, tenant, runs) = (World::shared(), tenant("projector"), Runs::sample(RUNS));
    // In small batches, so that the backlog outlasts the kill.
    let killed = Role::projector_with(&world, &[("MILLRACE_BATCH_RECORDS_MAX", "100")]).await;
    let arguments = slowly(&runs, &tenant);
    let importing = killed_half_way(&world, &tenant, &runs, &arguments, killed).await;
    // At the latest the last run comes while nobody applies it.
    eventually("others are on their way", PATIENCE, async || {
        let after = world.standing(&tenant).await;
        after.has_begun() && after.in_flight() > 0
    })
    .await;

    let projector = Role::projector(&world).await;
    complete(&world, &tenant, &runs, &finish(importing, &arguments).await).await;
    world.drained(&tenant).await;
    projector.stop().await;
    world.assert_proved().await;
}
