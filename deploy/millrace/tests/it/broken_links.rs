//! The proof can fail: each link of the chain is broken on purpose, and `millrace verify` names what is wrong.
//!
//! On a stack of its own, since what is broken here is broken for everybody. Each break is mended before the next, and
//! the stages are proved again, so that each finding is seen alone.

use events::{AggregateId, DomainEvent, EventId, ExecutionEvent, TenantId};
use redis::AsyncCommands;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

use crate::harness::{
    Agent, OwnStack, PATIENCE, Role, Runs, World, append_withdrawal, eventually, new_event_id, tenant,
};

/// What verify says that is wrong; it has to be something.
async fn refuted(world: &World) -> Vec<Value> {
    let (ran, report) = world.verify().await;
    assert_eq!((ran.code, &report["verdict"]), (1, &"refuted".into()), "{report:#}");
    report["findings"].as_array().unwrap().clone()
}

/// What the ledger finds beside running projectors: of this aggregate, at these stages, this alone. It answers the first finding.
async fn ledger_names(world: &World, stages: &[&str], kind: &str, agent: &Agent, version: u64) -> Value {
    let named = |finding: &Value| {
        finding["kind"] == kind
            && finding["aggregate_id"] == agent.id.to_string()
            && finding["version"] == version
            && finding["event_id"].is_string()
    };
    ledger_finds(world, stages, named).await
}

/// What the comparison of what runs finds, the first of it: once at each of these stages, each as it should be.
async fn ledger_finds(world: &World, stages: &[&str], named: impl Fn(&Value) -> bool) -> Value {
    let mut first = Value::Null;
    eventually("the ledger names it", PATIENCE, async || {
        let ran = world.program.run(&["verify", "--json", "--ledger-bound-s", "0"]).await;
        let report = ran.json();
        let findings = report["findings"].as_array().unwrap();
        assert!(findings.iter().all(&named), "{report:#}");
        first = findings.first().cloned().unwrap_or_default();
        let at = findings.iter().map(|it| it["stage"]["sink"].as_str().or(it["stage"].as_str()).unwrap());
        ran.code == 1 && at.eq(stages.iter().copied())
    })
    .await;
    first
}

/// An execution of three events, of which the last is a tool that was used.
async fn worked(world: &World, tenant: &TenantId) -> Agent {
    let mut agent = Agent::started(world, tenant).await;
    agent.call(new_event_id()).await;
    agent.tool(new_event_id()).await;
    agent
}

fn assert_names(finding: &Value, stage: Value, kind: &str, agent: &Agent, version: u64) {
    assert_eq!((&finding["stage"], &finding["kind"]), (&stage, &kind.into()), "{finding:#}");
    let place = (&finding["aggregate_id"], &finding["version"]);
    assert_eq!(place, (&agent.id.to_string().into(), &version.into()), "{finding:#}");
}

#[tokio::test]
async fn the_proof_fails_when_a_link_is_broken_and_names_what_is_wrong() {
    let own = OwnStack::raise("links").await;
    let (world, tenant) = (&own.world, tenant("links"));
    let projector = Role::projector(world).await;
    world.import(&Runs::sample(20), &tenant).await;
    world.drained(&tenant).await;
    world.assert_proved().await;

    an_outbox_row_is_dropped(world, &tenant).await;
    world.drained(&tenant).await;
    world.assert_proved().await;

    an_event_of_each_type_never_reaches_its_topic(world).await;

    let agent = worked(world, &tenant).await;
    world.drained(&tenant).await;
    projector.stop().await;
    an_event_is_applied_twice(world, &agent).await;
    world.assert_proved().await;
    a_row_shows_something_else(world, &agent).await;
    a_total_and_a_place_are_wrong(world, &agent).await;
    world.assert_proved().await;

    let projector = Role::projector(world).await;
    let agent = worked(world, &tenant).await;
    world.drained(&tenant).await;
    projector.stop().await;
    a_record_is_skipped(world, &tenant, agent).await;
    world.drained(&tenant).await;
    world.assert_proved().await;
}

/// Without the trigger, an event is stored and nobody is told.
async fn an_outbox_row_is_dropped(world: &World, tenant: &TenantId) {
    let mut agent = worked(world, tenant).await;
    world.drained(tenant).await;
    let mut owner = world.postgres("MILLRACE_EVENTS_OWNER_URL").await;
    owner.execute("alter table event_store disable trigger event_store_fills_outbox").await.unwrap();
    let lost = new_event_id();
    let version = agent.call(lost).await;
    owner.execute("alter table event_store enable always trigger event_store_fills_outbox").await.unwrap();

    let stages = ["topic", "executions-postgres", "executions-redis"];
    let first = ledger_names(world, &stages, "missing", &agent, version).await;
    assert_eq!((&first["topic"], &first["offset"]), (&ExecutionEvent::TOPIC.into(), &Value::Null));
    let findings = refuted(world).await;
    assert_names(&findings[0], json!("topic"), "missing", &agent, version);
    assert_eq!(findings[0]["event_id"], lost.to_string());
    assert_eq!(findings.len(), 3, "once in the topic and at each sink: {findings:#?}");

    tell_late(&mut owner, tenant, lost).await;
}

/// Executions have views; whatever else there is has its topic, and is missed there by name.
async fn an_event_of_each_type_never_reaches_its_topic(world: &World) {
    let tenant = &tenant("kinds");
    events::each_event_set!(E => {
        let (topic, id) = (<E as DomainEvent>::TOPIC, AggregateId(new_event_id().0));
        append_withdrawal::<E>(world, tenant, id, new_event_id()).await;
        let arrived = async || world.in_topic_of::<E>(tenant).await == 1;
        eventually("its first event is on its topic", PATIENCE, arrived).await;

        let mut owner = world.postgres("MILLRACE_EVENTS_OWNER_URL").await;
        owner.execute("alter table event_store disable trigger event_store_fills_outbox").await.unwrap();
        let lost = new_event_id();
        append_withdrawal::<E>(world, tenant, id, lost).await;
        owner.execute("alter table event_store enable always trigger event_store_fills_outbox").await.unwrap();
        let findings = refuted(world).await;
        let at_topic = findings.iter().find(|finding| finding["stage"] == "topic").expect("a finding at the topic");
        assert_eq!((&at_topic["kind"], &at_topic["topic"]), (&"missing".into(), &topic.into()), "{at_topic:#}");
        assert_eq!(at_topic["event_id"], lost.to_string());

        tell_late(&mut owner, tenant, lost).await;
        let arrived = async || world.in_topic_of::<E>(tenant).await == 2;
        eventually("its second event is on its topic", PATIENCE, arrived).await;
    });
    eventually("the views have them", PATIENCE, async || world.verify().await.0.code == 0).await;
}

/// The outbox row that the trigger did not write.
async fn tell_late(owner: &mut PgConnection, tenant: &TenantId, lost: EventId) {
    let told_late = "insert into outbox (id, aggregate_type, aggregate_id, event_type, aggregate_version, tenant_id,
            correlation_id, causation_id, traceparent, occurred_at, recorded_at, payload)
        select event_id, aggregate_type, aggregate_id, event_type, version, tenant_id, metadata ->> 'correlation_id',
            metadata ->> 'causation_id', metadata ->> 'traceparent', occurred_at, recorded_at, payload
        from event_store where event_id = $1";
    let mut transaction = owner.begin().await.unwrap();
    let set = sqlx::query("select set_config('millrace.tenant', $1, true)").bind(tenant.as_str());
    set.execute(&mut *transaction).await.unwrap();
    let told = sqlx::query(told_late).bind(lost.0).execute(&mut *transaction).await.unwrap();
    assert_eq!(told.rows_affected(), 1);
    transaction.commit().await.unwrap();
}

/// The row forgets that it has the last event, and the offset that it was read.
async fn an_event_is_applied_twice(world: &World, agent: &Agent) {
    let mut superuser = views_as_superuser(world).await;
    let forget = "update execution set version = version - 1 where aggregate_id = $1 returning source_partition, events_sum";
    let (partition, sum): (i32, Vec<u8>) =
        sqlx::query_as(forget).bind(agent.id.0).fetch_one(&mut superuser).await.unwrap();
    move_offset(&mut superuser, partition, -1).await;

    let projector = Role::projector(world).await;
    version_reached(world, agent, 3).await;
    projector.stop().await;
    ledger_names(world, &["executions-postgres"], "doubled", agent, 3).await;
    let findings = refuted(world).await;
    let [only] = findings.as_slice() else { panic!("{findings:#?}") };
    assert_names(only, json!({ "sink": "executions-postgres" }), "diverged", agent, 3);

    // A use of a tool counts itself and nothing else, in the row and in the total.
    let total = "update execution_total as total set tool_uses = total.tool_uses - 1 from execution as row
        where row.aggregate_id = $1 and total.tenant_id = row.tenant_id and total.repository = row.repository
          and total.model_name = row.model_name and total.source_partition = row.source_partition";
    let mended = sqlx::query(total).bind(agent.id.0).execute(&mut superuser).await.unwrap();
    assert_eq!(mended.rows_affected(), 1, "the total");
    let row = "update execution set tool_uses = tool_uses - 1, events_sum = $2 where aggregate_id = $1";
    let mended = sqlx::query(row).bind(agent.id.0).bind(sum).execute(&mut superuser).await.unwrap();
    assert_eq!(mended.rows_affected(), 1, "the row");
}

/// Rows of both sinks are made of what they should be, and do not show it: some of them are folded anew each time, here all.
async fn a_row_shows_something_else(world: &World, agent: &Agent) {
    let mut superuser = views_as_superuser(world).await;
    let sql = "update execution set cached_tokens = cached_tokens + $2 where aggregate_id = $1";
    let mut differ = async |by: i64| {
        sqlx::query(sql).bind(agent.id.0).bind(by).execute(&mut superuser).await.unwrap();
    };
    differ(1).await;
    let named = ledger_names(world, &["executions-postgres"], "diverged", agent, 3).await;
    let detail = named["detail"].as_str().unwrap();
    assert!(detail.ends_with("up to here: cached_tokens differs"), "{detail}");
    differ(-1).await;

    let (key, right) = world.spoil_in_redis(agent).await;
    let named = ledger_names(world, &["executions-redis"], "diverged", agent, 3).await;
    let detail = named["detail"].as_str().unwrap();
    assert!(detail.ends_with("up to here: prompt_tokens differs"), "{detail}");
    let () = world.redis_connection().await.hset(key, "d", right).await.unwrap();
}

/// Rows are as they should be; a total over them is not, nor is a place on a leaderboard.
async fn a_total_and_a_place_are_wrong(world: &World, agent: &Agent) {
    let mut superuser = views_as_superuser(world).await;
    let mut differ = async |by: i64| {
        let sql = "update execution_total as total set steps = total.steps + $2 from execution as row
            where row.aggregate_id = $1 and total.tenant_id = row.tenant_id and total.repository = row.repository
              and total.model_name = row.model_name and total.source_partition = row.source_partition";
        sqlx::query(sql).bind(agent.id.0).bind(by).execute(&mut superuser).await.unwrap();
    };
    differ(2).await;
    let named = ledger_finds(world, &["executions-postgres"], |it| it["kind"] == "diverged").await;
    let detail = named["detail"].as_str().unwrap();
    assert!(detail.starts_with("total steps of model_name="), "{detail}");
    assert!(detail.ends_with("differs from its rows by +2"), "{detail}");
    differ(-2).await;

    let mut redis = world.redis_connection().await;
    let boards: Vec<String> = redis.keys("*:board:*").await.unwrap();
    let mut place = None;
    for board in boards {
        let score: Option<i64> = redis.zscore(&board, agent.id.to_string()).await.unwrap();
        place = place.or(score.map(|score| (board, score)));
    }
    let (board, score) = place.unwrap();
    let () = redis.zadd(&board, agent.id.to_string(), score + 5).await.unwrap();
    let named =
        ledger_finds(world, &["executions-redis"], |it| it["aggregate_id"] == agent.id.to_string()).await;
    assert_eq!(named["detail"], format!("score {} on leaderboard cost, not {score}", score + 5));
    let () = redis.zrem(&board, agent.id.to_string()).await.unwrap();
    let named =
        ledger_finds(world, &["executions-redis"], |it| it["aggregate_id"] == agent.id.to_string()).await;
    assert_eq!(named["detail"], format!("not on leaderboard cost, score {score}"));
    let () = redis.zadd(&board, agent.id.to_string(), score).await.unwrap();
}

/// The offset says that a record was read which nobody has read.
async fn a_record_is_skipped(world: &World, tenant: &TenantId, mut agent: Agent) {
    let mut superuser = views_as_superuser(world).await;
    let home = "select source_partition from execution where aggregate_id = $1";
    let partition: i32 = sqlx::query_scalar(home).bind(agent.id.0).fetch_one(&mut superuser).await.unwrap();
    let skipped = new_event_id();
    let version = agent.call(skipped).await;
    let skipped_at = move_offset(&mut superuser, partition, 1).await - 1;

    let in_topic = async || world.in_topic(tenant).await == world.appended(tenant).await;
    eventually("the record is in the topic", PATIENCE, in_topic).await;

    let projector = Role::projector(world).await;
    eventually("Redis has it", PATIENCE, async || {
        world.redis().row(tenant, agent.aggregate()).await.unwrap().version == version
    })
    .await;
    let named = ledger_names(world, &["executions-postgres"], "missing", &agent, version).await;
    projector.stop().await;
    let findings = refuted(world).await;
    let [only] = findings.as_slice() else { panic!("{findings:#?}") };
    assert_eq!((&named["partition"], &named["offset"]), (&partition.into(), &skipped_at.into()), "{named:#}");
    assert_names(only, json!({ "sink": "executions-postgres" }), "missing", &agent, version);
    assert_eq!(only["event_id"], skipped.to_string());

    let reconcile = ["reconcile", "store-to-views", "--json", "--ledger-bound-s", "0"];
    let ran = world.program.run(&[&reconcile[..], &["--dry-run"]].concat()).await;
    assert_eq!((ran.code, &ran.json()["event_id"]), (10, &skipped.to_string().into()), "{ran:?}");
    let ran =
        world.program.run(&[&reconcile[..], &["--actor", "a test", "--reason", "skipped"]].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let projector = Role::projector(world).await;
    version_reached(world, &agent, version).await;
    projector.stop().await;
}

/// The views, by the one whom no policy holds.
async fn views_as_superuser(world: &World) -> PgConnection {
    let url: PgConnectOptions = world.fact("MILLRACE_POSTGRES_SUPERUSER_URL").parse().unwrap();
    PgConnection::connect_with(&url.database("millrace_views")).await.unwrap()
}

/// Answers where it stands then.
async fn move_offset(superuser: &mut PgConnection, partition: i32, by: i64) -> i64 {
    let query = "update projection_offset set next_offset = next_offset + $2
        where projection = 'executions-postgres' and partition = $1 returning next_offset";
    sqlx::query_scalar(query).bind(partition).bind(by).fetch_one(superuser).await.unwrap()
}

async fn version_reached(world: &World, agent: &Agent, version: u64) {
    let mut superuser = views_as_superuser(world).await;
    let query = "select version from execution where aggregate_id = $1";
    eventually("Postgres has it", PATIENCE, async || {
        let found: i64 = sqlx::query_scalar(query).bind(agent.id.0).fetch_one(&mut superuser).await.unwrap();
        found.unsigned_abs() == version
    })
    .await;
}
