//! One live command, seen at every station; what a tenant sees; a look back in time.

use chrono::{DateTime, Utc};
use events::{DomainEvent, ExecutionEvent, TenantId};
use kafka::Record;
use serde_json::Value;

use crate::harness::{Agent, Role, Runs, World, finish, metadata, new_event_id, tenant};

/// What the program shows of an execution's history.
async fn timeline(world: &World, agent: &Agent, tenant: &TenantId, more: &[&str]) -> Vec<Value> {
    let id = agent.id.to_string();
    let arguments = [&["events", "timeline", &id, "--tenant", tenant.as_str(), "--json"], more].concat();
    let printed = world.program.done(&arguments).await;
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An execution with three events: started, model called, tool used.
async fn worked(world: &World, tenant: &TenantId) -> Agent {
    let mut agent = Agent::started(world, tenant).await;
    agent.call(new_event_id()).await;
    assert_eq!(agent.tool(new_event_id()).await, 3);
    agent
}

#[tokio::test]
async fn a_live_event_arrives_with_every_header_on_the_topic_and_in_both_views() {
    let (world, tenant) = (World::shared(), tenant("live"));
    let projector = Role::projector(&world).await;
    let agent = worked(&world, &tenant).await;
    world.drained(&tenant).await;

    let mut store = world.postgres("MILLRACE_EVENTS_AUDITOR_URL").await;
    let payloads = "select payload from event_store where aggregate_id = $1 order by version";
    let payloads: Vec<Vec<u8>> =
        sqlx::query_scalar(payloads).bind(agent.id.0).fetch_all(&mut store).await.unwrap();
    let key = agent.id.to_string();
    let mut records = world.records(ExecutionEvent::TOPIC).await;
    records.retain(|record| record.key.as_deref() == Some(key.as_bytes()));
    let events = timeline(&world, &agent, &tenant, &[]).await;
    assert_eq!((records.len(), events.len()), (3, 3));
    for ((record, event), payload) in records.iter().zip(&events).zip(&payloads) {
        assert_eq!(record.payload.as_ref(), Some(payload), "byte for byte what the store has");
        assert_headers(record, event, &key, &tenant);
    }

    let mut views = world.postgres("MILLRACE_VIEWS_WRITER_URL").await;
    let row =
        "select version, status, steps, tool_uses, step_cost_nano_usd from execution where aggregate_id = $1";
    let row: (i64, String, i64, i64, i64) =
        sqlx::query_as(row).bind(agent.id.0).fetch_one(&mut views).await.unwrap();
    assert_eq!(row, (3, "running".to_owned(), 1, 1, 1_500_000));
    let live = world.redis().row(&tenant, agent.aggregate()).await.unwrap();
    assert_eq!(live.version, 3);
    let live = live.view.unwrap();
    assert_eq!((live.step, live.last_tool.as_deref(), live.cost_nano_usd), (1, Some("ls"), Some(1_500_000)));
    projector.stop().await;
    world.assert_proved().await;
}

/// Every header that the contract names and no other, each from what the store knows of the event.
fn assert_headers(record: &Record, event: &Value, key: &str, tenant: &TenantId) {
    let text = |value: Option<&[u8]>| value.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    let mut found: Vec<_> = record.headers.iter().map(|(name, value)| (name, text(value))).collect();
    found.sort();
    let moments = ["ce_time", "recordedtime"].map(|name| {
        let at = found.iter().position(|(found, _)| *found == name).unwrap_or_else(|| panic!("no {name}"));
        found.remove(at).1.unwrap()
    });
    for (moment, field) in moments.iter().zip(["occurred_at", "recorded_at"]) {
        let parsed = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(parsed(moment), parsed(event[field].as_str().unwrap()), "{field}");
        assert!(moment.ends_with('Z'), "{moment} is not in UTC");
    }
    let of_event = |field: &str| event[field].as_str().unwrap().to_owned();
    let origin = metadata();
    let expected = [
        ("aggregateversion", event["version"].to_string()),
        ("causationid", origin.causation_id.unwrap()),
        ("ce_id", of_event("event_id")),
        ("ce_source", "/millrace/agents".to_owned()),
        ("ce_specversion", "1.0".to_owned()),
        ("ce_subject", key.to_owned()),
        ("ce_type", of_event("event_type")),
        ("correlationid", origin.correlation_id.unwrap()),
        ("tenant", tenant.to_string()),
        ("traceparent", origin.traceparent.unwrap()),
    ];
    assert_eq!(found, expected.map(|(name, value)| (name, Some(value))));
}

#[tokio::test]
async fn a_dashboard_sees_the_totals_of_the_tenant_that_it_names_and_no_others() {
    let (world, few, more, nobody) = (World::shared(), tenant("few"), tenant("more"), tenant("nobody"));
    let projector = Role::projector(&world).await;
    for (tenant, runs) in [(&few, 2), (&more, 5)] {
        world.import(&Runs::sample(runs), tenant).await;
        world.drained(tenant).await;
    }
    let mut dashboard = world.postgres("MILLRACE_VIEWS_DASHBOARD_URL").await;
    let totals = "select tenant_id, sum(runs)::bigint from repository_model_total group by tenant_id";
    let unset: Vec<(String, i64)> = sqlx::query_as(totals).fetch_all(&mut dashboard).await.unwrap();
    assert_eq!(unset, [], "whoever names no tenant sees nothing");
    for (tenant, runs) in [(&few, Some(2)), (&more, Some(5)), (&nobody, None)] {
        let set = sqlx::query("select set_config('millrace.tenant', $1, false)").bind(tenant.as_str());
        set.execute(&mut dashboard).await.unwrap();
        let seen: Vec<(String, i64)> = sqlx::query_as(totals).fetch_all(&mut dashboard).await.unwrap();
        assert_eq!(seen, Vec::from_iter(runs.map(|runs| (tenant.to_string(), runs))));
    }
    projector.stop().await;
    world.assert_proved().await;
}

#[tokio::test]
async fn a_history_is_shown_as_of_any_version_and_moment_and_followed_as_it_grows() {
    let (world, tenant) = (World::shared(), tenant("history"));
    let follow = ["events", "follow", "--tenant", tenant.as_str(), "--after", "0", "--json", "--most"];
    let (all, tools) = ([&follow[..], &["3"]].concat(), [&follow[..], &["1", "--type", "ToolUsed"]].concat());
    let (following_all, following_tools) = (world.program.start(&all), world.program.start(&tools));
    let agent = worked(&world, &tenant).await;
    let whole = timeline(&world, &agent, &tenant, &[]).await;
    let followed = async |child, arguments: &[&str]| -> Vec<Value> {
        let ran = finish(child, arguments).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(followed(following_all, &all).await, whole);
    assert_eq!(followed(following_tools, &tools).await, whole[2..]);
    let types: Vec<_> = whole.iter().map(|event| event["event_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["ExecutionStarted", "ModelCalled", "ToolUsed"]);
    assert_eq!(timeline(&world, &agent, &tenant, &["--version", "1"]).await, whole[..1]);
    let second = whole[1]["occurred_at"].as_str().unwrap();
    assert_eq!(timeline(&world, &agent, &tenant, &["--at", second]).await, whole[..2]);

    let (id, tenant) = (agent.id.to_string(), tenant.as_str());
    let state = async |more: &[&str]| {
        world.program.run(&[&["events", "state", &id, "--tenant", tenant], more].concat()).await
    };
    for (more, version) in [(vec![], 3), (vec!["--version", "2"], 2), (vec!["--at", second], 2)] {
        let shown = state(&more).await;
        assert_eq!(shown.code, 0, "{shown:?}");
        assert!(shown.stdout.starts_with(&format!("version {version}\n")), "{more:?}: {shown:?}");
        assert!(shown.stdout.contains("Running"), "{more:?}: {shown:?}");
    }
    let position = whole[1]["position"].to_string();
    for (more, types) in [
        (["--position", position.as_str()], 2),
        (["--recorded-at", whole[0]["recorded_at"].as_str().unwrap()], 1),
    ] {
        assert_eq!(timeline(&world, &agent, &tenant.parse().unwrap(), &more).await, whole[..types]);
    }
    let shown =
        world.program.done(&["events", "show", &id, "--tenant", tenant, "--version", "2", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), whole[1]);
    let shown = world.program.done(&["events", "show", &id, "--tenant", tenant, "--version", "2"]).await;
    assert!(
        shown.contains("ModelCalled") && shown.contains("correlation") && !shown.contains('\x1b'),
        "{shown}"
    );
    let nothing = world.program.run(&["events", "show", &id, "--tenant", tenant, "--version", "4"]).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (4, ""), "{nothing:?}");
    let diff = ["events", "diff", &id, "--tenant", tenant, "--from", "2", "--json"];
    let changed = world.program.done(&diff).await;
    let changed: Vec<Value> = changed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let paths: Vec<_> = changed.iter().map(|change| change["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["Running.tool_uses"]);
    assert_eq!((&changed[0]["before"], &changed[0]["after"]), (&0.into(), &1.into()));
    let before = state(&["--at", "2001-01-01T00:00:00Z"]).await;
    assert_eq!((before.code, before.stdout.as_str()), (4, ""), "it had not begun: {before:?}");
    let stranger = world.program.run(&["events", "timeline", &id, "--tenant", "somebody-else"]).await;
    assert_eq!((stranger.code, stranger.stdout.as_str()), (4, ""), "{stranger:?}");

    let projector = Role::projector(&world).await;
    world.drained(&tenant.parse().unwrap()).await;
    projector.stop().await;
    world.assert_proved().await;
}
