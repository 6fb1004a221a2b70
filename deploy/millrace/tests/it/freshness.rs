//! How fresh the views are is told as it is: no fresher, and not for ever what it was.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::harness::{PATIENCE, Role, Runs, World, eventually, tenant};

/// What `millrace projections status` says that each projection is as of that was ever current, and whether it complains.
async fn told(world: &World, lag_max: &str) -> (i32, BTreeMap<String, DateTime<Utc>>) {
    let ran = world.program.run(&["projections", "status", "--json", "--lag-max", lag_max]).await;
    let as_of = |line: serde_json::Value| {
        let as_of = line["as_of"].as_str()?.parse().unwrap();
        Some((line["projection"].as_str().unwrap().to_owned(), as_of))
    };
    (ran.code, ran.lines().into_iter().filter_map(as_of).collect())
}

#[tokio::test]
async fn views_are_as_of_a_moment_that_moves_on_while_they_are_current_and_stands_while_they_are_not() {
    let (world, tenant, runs) = (World::shared(), tenant("fresh"), Runs::sample(20));
    let projector = Role::projector(&world).await;
    world.import(&runs, &tenant).await;
    world.drained(&tenant).await;
    let drained = Utc::now();
    let names = ["executions-postgres", "executions-redis"];
    eventually("both are as of a later moment", PATIENCE, async || {
        let (_, as_of) = told(&world, "60").await;
        as_of.keys().eq(names) && as_of.values().all(|as_of| *as_of > drained)
    })
    .await;
    assert_eq!(told(&world, "60").await.0, 0, "nothing lags a minute");
    its_hops_add_up(&projector).await;
    projector.stop().await;

    let (_, stopped) = told(&world, "60").await;
    world.import(&Runs::sample(30), &tenant).await;
    eventually("the topic is ahead", PATIENCE, async || {
        world.in_topic(&tenant).await == world.appended(&tenant).await
    })
    .await;
    assert_eq!(told(&world, "0.001").await, (10, stopped.clone()), "nobody brought the views further");

    let projector = Role::projector(&world).await;
    world.drained(&tenant).await;
    eventually("both move on", PATIENCE, async || {
        let (_, as_of) = told(&world, "60").await;
        as_of.iter().all(|(name, as_of)| *as_of > stopped[name])
    })
    .await;
    projector.stop().await;
}

/// An event's way is told hop by hop, and as a whole.
async fn its_hops_add_up(projector: &Role) {
    let metrics = projector.get("/metrics").await.unwrap();
    let hop = |what: &str, hop: &str| -> f64 {
        let (name, hop) = (format!("millrace_projector_hop_seconds_{what}{{"), format!("hop=\"{hop}\""));
        let of_hop = metrics.lines().filter(|line| line.starts_with(&name) && line.contains(&hop));
        of_hop.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let counted = hop("count", "commit-visible");
    assert!(counted > 0.0, "no way was measured: {metrics}");
    let hops = ["commit-topic", "topic-fetched", "fetched-applied", "applied-visible"];
    for name in hops {
        assert_eq!(hop("count", name), counted, "{name}");
        assert!(hop("sum", name) > 0.0, "{name}");
    }
    // Kafka's times have milliseconds.
    let (parts, whole): (f64, f64) =
        (hops.map(|name| hop("sum", name)).iter().sum(), hop("sum", "commit-visible"));
    assert!(
        (parts - whole).abs() <= 0.001 * counted,
        "{parts} s of hops, {whole} s in all, {counted} events"
    );
}
