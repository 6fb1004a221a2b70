//! Views are made once more beside those that are read, under load, and switched at once; and back.

use std::time::Duration;

use redis::AsyncCommands;
use sqlx::{Connection, PgConnection};

use crate::harness::{Agent, Load, PATIENCE, Role, Runs, World, eventually, new_event_id, tenant};

const NAME: &str = "executions-postgres";
const IN_REDIS: &str = "executions-redis";

/// Changes a row and a total behind everybody's back, as a bug that is mended by now may have.
async fn spoil(world: &World, tenant: &str) {
    let mut views = world.postgres("MILLRACE_VIEWS_WRITER_URL").await;
    for sql in [
        "update execution set steps = steps + 1 where aggregate_id = (select min(aggregate_id::text)::uuid from execution where tenant_id = $1)",
        "update execution_total set runs = runs + 7 where tenant_id = $1",
    ] {
        assert!(
            sqlx::query(sql).bind(tenant).execute(&mut views).await.unwrap().rows_affected() > 0,
            "{sql}"
        );
    }
}

/// How many runs a dashboard of a tenant sees in all.
async fn runs(world: &World, tenant: &str) -> i64 {
    let mut dashboard = world.postgres("MILLRACE_VIEWS_DASHBOARD_URL").await;
    let mut reading = dashboard.begin().await.unwrap();
    let name = "select set_config('millrace.tenant', $1, true)";
    sqlx::query(name).bind(tenant).execute(&mut *reading).await.unwrap();
    let sql = "select coalesce(sum(runs), 0)::bigint from repository_model_total";
    sqlx::query_scalar(sql).fetch_one(&mut *reading).await.unwrap()
}

async fn is_there(owner: &mut PgConnection, schema: &str) -> bool {
    let sql = "select to_regnamespace($1) is not null";
    sqlx::query_scalar(sql).bind(format!("\"{NAME}_{schema}\"")).fetch_one(owner).await.unwrap()
}

#[tokio::test]
async fn views_are_rebuilt_under_load_switched_at_once_and_switched_back() {
    let (world, tenant) = (World::shared(), tenant("rebuild"));
    let projector = Role::projector(&world).await;
    world.import(&Runs::sample(30), &tenant).await;
    world.drained(&tenant).await;
    world.assert_proved().await;
    let right = runs(&world, tenant.as_str()).await;
    spoil(&world, tenant.as_str()).await;
    assert_eq!(world.verify().await.0.code, 1, "what was spoilt is found");
    let wrong = runs(&world, tenant.as_str()).await;
    assert_ne!(wrong, right);

    // While it is made nobody notices, and events go on to come.
    let load = Load::on(&world, &tenant).await;
    let said = world.program.done(&["projections", "rebuild", NAME, "--no-switch", "--from-topic"]).await;
    let steps = ["topic", "made", "compared", "ready"];
    assert!(steps.iter().all(|step| said.contains(step)), "{said}");
    assert_eq!(runs(&world, tenant.as_str()).await, wrong);
    let said = world.program.done(&["projections", "rebuild", NAME]).await;
    assert!(said.contains("switched"), "{said}");
    assert_eq!(runs(&world, tenant.as_str()).await, right);
    assert!(!load.ended().await.is_empty());
    world.drained(&tenant).await;
    world.assert_proved().await;

    // What was read before is read again, mistakes and all, with what came since.
    world.program.done(&["projections", "go-back", NAME]).await;
    assert_eq!(runs(&world, tenant.as_str()).await, wrong);
    world.drained(&tenant).await;
    assert_eq!(world.verify().await.0.code, 1, "what was spoilt is read again");
    world.program.done(&["projections", "go-back", NAME]).await;
    assert_eq!(runs(&world, tenant.as_str()).await, right);
    world.drained(&tenant).await;
    world.assert_proved().await;
    projector.stop().await;
}

#[tokio::test]
async fn views_in_redis_are_rebuilt_under_load_take_their_place_and_give_it_back() {
    let (world, tenant) = (World::shared(), tenant("again"));
    let projector = Role::projector(&world).await;
    world.import(&Runs::sample(30), &tenant).await;
    let mut agent = Agent::started(&world, &tenant).await;
    agent.call(new_event_id()).await;
    world.drained(&tenant).await;
    world.assert_proved().await;
    let (key, right) = world.spoil_in_redis(&agent).await;
    assert_eq!(world.verify().await.0.code, 1, "what was spoilt is found");
    let mut redis = world.redis_connection().await;
    let mut shown = async || -> String { redis.hget(&key, "d").await.unwrap() };
    let wrong = shown().await;

    let load = Load::on(&world, &tenant).await;
    let from_topic = ["projections", "rebuild", IN_REDIS, "--from-topic"];
    let mut rebuild = world.program.command(&from_topic).spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    rebuild.kill().await.unwrap();
    let said = world.program.done(&from_topic).await;
    assert!(said.contains("switched"), "{said}");
    assert_eq!(shown().await, right);
    assert!(!load.ended().await.is_empty());
    world.drained(&tenant).await;
    world.assert_proved().await;

    world.program.done(&["projections", "go-back", IN_REDIS]).await;
    assert_eq!(shown().await, wrong, "mistakes and all, with what came since");
    world.drained(&tenant).await;
    assert_eq!(world.verify().await.0.code, 1);
    world.program.done(&["projections", "go-back", IN_REDIS]).await;
    assert_eq!(shown().await, right);
    world.drained(&tenant).await;
    world.assert_proved().await;
    projector.stop().await;
}

#[tokio::test]
async fn a_rebuild_that_is_killed_goes_on_and_one_that_is_given_up_leaves_nothing() {
    let (world, first, second) = (World::shared(), tenant("first"), tenant("second"));
    let projector = Role::projector(&world).await;
    world.import(&Runs::sample(10), &first).await;
    world.drained(&first).await;
    world.program.done(&["projections", "rebuild", NAME, "--no-switch"]).await;
    world.import(&Runs::sample(30), &second).await;
    let mut owner = world.postgres("MILLRACE_VIEWS_OWNER_URL").await;
    let begun = progress(&mut owner).await;
    assert!(begun > Some(0));
    for pause in [0, 50, 200, 400] {
        let mut rebuild =
            world.program.command(&["projections", "rebuild", NAME, "--no-switch"]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        rebuild.kill().await.unwrap();
        assert!(progress(&mut owner).await >= begun, "it never falls back");
    }
    world.program.done(&["projections", "rebuild", NAME]).await;
    assert!(!is_there(&mut owner, "next").await && is_there(&mut owner, "kept").await);
    world.drained(&second).await;
    world.assert_proved().await;

    world.program.done(&["projections", "rebuild", NAME, "--no-switch"]).await;
    assert!(is_there(&mut owner, "next").await);
    world.program.done(&["projections", "abandon", NAME]).await;
    assert!(!is_there(&mut owner, "next").await);
    assert_eq!(
        world.program.run(&["projections", "abandon", NAME]).await.code,
        4,
        "there is nothing to give up"
    );
    world.assert_proved().await;
    projector.stop().await;
}

/// Up to which position of the store the next edition has the events.
async fn progress(owner: &mut PgConnection) -> Option<i64> {
    let sql = "select after_position from projection_rebuild where projection = $1";
    sqlx::query_scalar(sql).bind(NAME).fetch_optional(owner).await.unwrap()
}

#[tokio::test]
async fn what_is_decided_while_views_are_made_has_no_effect_in_them_either() {
    let (world, tenant, refused) = (World::shared(), tenant("decided"), new_event_id());
    let id = refused.to_string();
    let projector = Role::projector_with(&world, &[("MILLRACE_REFUSE_EVENTS", &id)]).await;
    let mut agent = Agent::started(&world, &tenant).await;
    for event in [new_event_id(), refused] {
        agent.call(event).await;
    }
    world.parked_but_drained(1, &tenant).await;
    // The next editions take what those that are read have parked.
    for projection in [NAME, IN_REDIS] {
        world.program.done(&["projections", "rebuild", projection, "--no-switch"]).await;
    }
    let key = agent.aggregate().to_string();
    for projection in [NAME, IN_REDIS] {
        let discard = ["parked", "discard", projection, &key, "--reason", "a drill"];
        world.program.done(&discard).await;
    }
    let decided = "select count(*) from decision where aggregate_id = $1::uuid";
    let mut views = world.postgres("MILLRACE_VIEWS_WRITER_URL").await;
    eventually("both have decided", PATIENCE, async || {
        sqlx::query_scalar::<_, i64>(decided).bind(&key).fetch_one(&mut views).await.unwrap() == 2
    })
    .await;
    for projection in [NAME, IN_REDIS] {
        world.program.done(&["projections", "rebuild", projection]).await;
    }
    world.drained(&tenant).await;
    world.assert_proved().await;
    // Nor where they are made after it was decided, of the topic.
    for projection in [NAME, IN_REDIS] {
        world.program.done(&["projections", "rebuild", projection, "--from-topic"]).await;
    }
    world.assert_proved().await;
    projector.stop().await;
}
