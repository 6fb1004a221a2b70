//! Many parked keys at once, as an operator meets them: by cause, foreseen, redriven with proof; and nobody's room is everybody's.

use events::{DomainEvent, EventId, ExecutionEvent, TenantId};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::harness::{
    Agent, Console, OwnStack, PATIENCE, Role, World, eventually, new_event_id, tenant, unique,
};

const PROJECTIONS: [&str; 2] = ["executions-postgres", "executions-redis"];

#[tokio::test]
async fn parked_keys_are_seen_by_cause_foreseen_and_redriven_until_they_are_drained() {
    let (world, tenant, bad) = (World::shared(), tenant("causes"), [new_event_id(), new_event_id()]);
    let told = format!("{},{}", bad[0], bad[1]);
    let refusing = Role::projector_with(&world, &[("MILLRACE_REFUSE_EVENTS", &told)]).await;
    let (mut one, mut other) = (Agent::started(&world, &tenant).await, Agent::started(&world, &tenant).await);
    one.call(bad[0]).await;
    one.tool(new_event_id()).await;
    other.call(bad[1]).await;
    world.parked_but_drained(3, &tenant).await;

    for projection in PROJECTIONS {
        let of_tenant = [projection, "--tenant", tenant.as_str(), "--json"];
        let causes = world.program.run(&[&["parked", "causes"][..], &of_tenant].concat()).await.lines();
        let [cause] = causes.as_slice() else { panic!("{causes:?}") };
        assert_eq!((&cause["reason"], &cause["keys"]), (&"told_to_refuse".into(), &2.into()), "{cause}");
        assert_eq!(
            (&cause["records"], &cause["some_tenants"]),
            (&3.into(), &json!([tenant.as_str()])),
            "{cause}"
        );
        assert_eq!(
            (&cause["cause"], &cause["event_type"]),
            (&"told to refuse event <id>".into(), &"ModelCalled".into())
        );

        let key = one.id.to_string();
        let shown = world.program.run(&["parked", "show", projection, &key, "--json"]).await.json();
        assert_eq!(shown["records"][0]["payload"]["prompt_tokens"], 1_000, "{shown:#}");
        assert!(shown["records"][0]["payload_hex"].as_str().unwrap().starts_with("00"), "{shown:#}");
        let row = &shown["redrive"][0]["rows"][0];
        assert_eq!((&row["now"]["version"], &row["then"]["version"]), (&1.into(), &3.into()), "{shown:#}");
        assert_eq!(row["aggregate_id"], key);
        let foreseen = world.program.run(&["parked", "preview", projection, &key, "--json"]).await;
        assert_eq!(foreseen.code, 0, "{foreseen:?}");
        let fates: Vec<Value> =
            foreseen.json()["records"].as_array().unwrap().iter().map(|it| it["outcome"].clone()).collect();
        assert_eq!(fates, ["applied", "applied"]);
        let row = foreseen.json()["rows"][0]["then"].take();

        let redrive = ["--reason", "told_to_refuse", "--wait", "--actor", "a test"];
        let redrive = [&["parked", "redrive", "--projection"][..], &of_tenant, &redrive].concat();
        // Cut short after the first key, and given again.
        let mut slow = world.program.start(&[&redrive[..], &["--rate", "0.02/s"]].concat());
        let newest = ["parked", "audit", projection, "--limit", "1", "--json"];
        eventually("the first key of two is asked for", PATIENCE, async || {
            let requests = world.program.run(&newest).await.lines();
            requests.first().is_some_and(|it| it["keys"] == 2 && it["to_ask"] == 1)
        })
        .await;
        slow.kill().await.unwrap();
        let failed = world.program.run(&redrive).await;
        assert_eq!(failed.code, 10, "the switch is still on: {failed:?}");
        assert_eq!(failed.json()["goes_on"], true, "{failed:?}");
        assert_eq!(
            (&failed.json()["request"]["failed"], &failed.json()["request"]["done"]),
            (&2.into(), &0.into())
        );
        assert_eq!(failed.json()["left"][0]["reason"], "told_to_refuse");
        assert_eq!(row["version"], 3);
        people_read_it_too(&world, projection, tenant.as_str(), &key).await;
    }
    refusing.stop().await;

    let projector = Role::projector(&world).await;
    for projection in PROJECTIONS {
        let many = ["--tenant", tenant.as_str(), "--type", "ModelCalled", "--rate", "10", "--wait", "--json"];
        let drained = world
            .program
            .run(&[&["parked", "redrive", "--projection", projection][..], &many].concat())
            .await;
        assert_eq!(drained.code, 0, "{drained:?}");
        assert_eq!((&drained.json()["request"]["done"], &drained.json()["left"]), (&2.into(), &json!([])));
        let again = world
            .program
            .run(&[&["parked", "redrive", "--projection", projection][..], &many].concat())
            .await;
        assert_eq!(
            (again.code, &again.json()["request"]["keys"]),
            (0, &0.into()),
            "nothing is left to ask for"
        );

        let requests =
            world.program.run(&["parked", "audit", projection, "--limit", "4", "--json"]).await.lines();
        let told: Vec<_> = requests.iter().map(|it| (it["done"].as_i64(), it["failed"].as_i64())).collect();
        let counts = [(0, 0), (2, 0), (0, 1), (0, 2)].map(|(done, failed)| (Some(done), Some(failed)));
        assert_eq!(told, counts, "{requests:?}");
        assert_eq!((&requests[3]["actor"], &requests[3]["action"]), (&"a test".into(), &"redrive".into()));
        assert_eq!(requests[3]["filter"]["tenant"], tenant.as_str());
        let id = requests[3]["id"].to_string();
        let keys = world.program.run(&["parked", "audit", "--request", &id, "--json"]).await.lines();
        assert_eq!((keys.len(), &keys[1]["outcome"]), (3, &"failed".into()), "{keys:?}");
    }
    world.drained(&tenant).await;
    projector.stop().await;
    world.assert_proved().await;
}

#[tokio::test]
async fn a_tenant_that_has_used_up_its_room_stops_the_partition_which_names_tenant_bound_and_value() {
    let (world, tenant) = (World::shared(), tenant("greedy"));
    let bound = [("MILLRACE_TENANT_PARKED_KEYS_MAX", "1"), ("MILLRACE_STOPPED_RETRY_MS", "200")];
    let projector = Role::projector_with(&world, &bound).await;
    Agent::started(&world, &tenant).await;
    world.drained(&tenant).await;
    let keys = [unique("greedy"), unique("greedy")];
    for key in &keys {
        send(&world, key, tenant.as_str()).await;
    }
    let told =
        format!("1 keys of tenant {tenant} are parked, the most allowed of one (tenant-parked-keys-max)");
    eventually("the partition says why it stops", PATIENCE, async || {
        projector.log().lines().any(|line| line.contains("STOPPED") && line.contains(&told))
    })
    .await;
    for projection in PROJECTIONS {
        let parked = ["parked", "list", projection, "--tenant", tenant.as_str(), "--json"];
        for key in &keys {
            eventually("this one alone is parked", PATIENCE, async || {
                let parked = world.program.run(&parked).await.lines();
                parked.iter().map(|it| it["key"].as_str().unwrap()).eq([key.as_str()])
            })
            .await;
            let foreseen = world.program.run(&["parked", "preview", projection, key, "--json"]).await;
            assert_eq!(foreseen.code, 10, "{foreseen:?}");
            assert_eq!(foreseen.json()["records"][0]["reason"], "undecodable");
            let reason = ["--foreign", "--reason", "sent by a test", "--json"];
            world.program.done(&[&["parked", "discard", projection, key][..], &reason].concat()).await;
        }
        eventually("none is parked", PATIENCE, async || world.program.run(&parked).await.lines().is_empty())
            .await;
    }
    projector.stop().await;
    world.assert_proved().await;
}

/// On a stack of its own: a version that comes late is out of order on the topic, and `millrace verify` says so ever after.
#[tokio::test]
async fn a_version_that_the_topic_lost_is_published_again_and_the_key_behind_it_drains() {
    let own = OwnStack::raise("gap").await;
    let (world, tenant) = (&own.world, tenant("gap"));
    let projector = Role::projector(world).await;
    let mut agent = Agent::started(world, &tenant).await;
    let lost = call_that_the_topic_loses(world, &mut agent).await;
    world.drained_but(2, &tenant).await;
    let key = agent.id.to_string();
    for (in_topic, projection) in (2..).zip(PROJECTIONS) {
        // Views that are made of the topic have from the store what is not there, or lies there behind a later version.
        let rebuild = ["projections", "rebuild", projection, "--from-topic", "--no-switch"];
        let said = world.program.done(&rebuild).await;
        let from_topic = format!("topic       {in_topic} events");
        assert!(said.contains(&from_topic) && said.contains("made        1 rows"), "{said}");
        assert!(said.contains("compared") && !said.contains("left"), "{said}");
        world.program.done(&["projections", "abandon", projection]).await;
        let parked = ["parked", "list", projection, "--tenant", tenant.as_str(), "--json"];
        eventually("the key waits for its version", PATIENCE, async || {
            world.program.run(&parked).await.lines().iter().any(|it| it["reason"] == "gap")
        })
        .await;
        let repair = [
            "parked",
            "repair",
            projection,
            &key,
            "--actor",
            "a test",
            "--reason",
            "lost by a test",
            "--json",
        ];
        if projection == PROJECTIONS[0] {
            let dry = world.program.run(&[&repair[..], &["--dry-run"]].concat()).await;
            assert_eq!(
                (dry.code, &dry.json()["events"][0]["event_id"]),
                (10, &lost.to_string().into()),
                "{dry:?}"
            );
            let repaired = world.program.run(&[&repair[..], &["--wait"]].concat()).await;
            assert_eq!(repaired.code, 0, "{repaired:?}");
            assert_eq!(
                (&repaired.json()["request"]["done"], &repaired.json()["left"]),
                (&1.into(), &json!([]))
            );
            let told =
                world.program.run(&["parked", "audit", projection, "--limit", "1", "--json"]).await.json();
            assert_eq!(
                (&told["action"], &told["reason"]),
                (&"repair".into(), &"lost by a test".into()),
                "{told}"
            );
            assert_eq!(told["filter"]["versions"], json!([2]));
            continue;
        }
        // The other sink reads the same topic, so the version is there already.
        let arrived = async || world.program.run(&["parked", "preview", projection, &key]).await.code == 0;
        eventually("the version is there", PATIENCE, arrived).await;
        let nothing = world.program.run(&repair).await;
        assert_eq!(nothing.code, 1, "{nothing:?}");
        assert!(nothing.stderr.contains("no version is missing: redrive the key"), "{nothing:?}");
        world.program.done(&["parked", "redrive", projection, &key, "--wait"]).await;
    }
    let over_http = repaired_over_http(world, &tenant).await;
    world.drained(&tenant).await;
    projector.stop().await;
    world.assert_proved().await;
    let (_, report) = world.verify().await;
    let late = report["republished"].as_array().unwrap();
    for lost in [lost, over_http] {
        assert!(late.iter().any(|late| late["event_id"] == lost.to_string()), "{report:#}");
    }
}

/// A version that never reaches the topic, and one behind it that does.
async fn call_that_the_topic_loses(world: &World, agent: &mut Agent) -> EventId {
    let mut owner = world.postgres("MILLRACE_EVENTS_OWNER_URL").await;
    owner.execute("alter table event_store disable trigger event_store_fills_outbox").await.unwrap();
    let lost = new_event_id();
    agent.call(lost).await;
    owner.execute("alter table event_store enable always trigger event_store_fills_outbox").await.unwrap();
    agent.tool(new_event_id()).await;
    lost
}

/// The same for another key, asked for over HTTP; answers the event that was lost.
async fn repaired_over_http(world: &World, tenant: &TenantId) -> EventId {
    let console = Console::open(world, tenant.as_str(), &[]).await;
    let mut agent = Agent::started(world, tenant).await;
    let lost = call_that_the_topic_loses(world, &mut agent).await;
    world.drained_but(2, tenant).await;
    let at = |projection: &str| format!("/keys/{projection}/{}", agent.id);
    for projection in PROJECTIONS {
        eventually("the key waits for its version", PATIENCE, async || {
            let keys = console.get("keys", &format!("/keys?projection={projection}&reason=gap")).await;
            keys["keys"][0]["key"] == agent.id.to_string()
        })
        .await;
    }
    let missing = console.get("missing", &format!("{}/missing", at(PROJECTIONS[0]))).await;
    assert_eq!(missing["events"], json!([{ "version": 2, "event_id": lost.to_string() }]));
    let reason = json!({ "reason": "lost by a test" });
    let repaired = console.post("repair", &format!("{}/repair", at(PROJECTIONS[0])), reason.clone()).await;
    assert_eq!((&repaired["missing"], &repaired["request"]["actor"]), (&missing, &"ana".into()));
    assert_eq!(console.followed(&repaired).await["request"]["done"], 1);
    eventually("the version is there for the other sink, too", PATIENCE, async || {
        let foreseen = console.get("preview", &format!("{}/preview", at(PROJECTIONS[1]))).await;
        foreseen["redrive"][0]["records"].as_array().unwrap().iter().all(|it| it["reason"].is_null())
    })
    .await;
    let nothing =
        console.refused_here(Method::POST, &format!("{}/repair", at(PROJECTIONS[1])), Some(reason)).await;
    assert_eq!(nothing.problem["detail"], "no version is missing: redrive the key", "{nothing:?}");
    let redriven = console.post("redrive", &format!("{}/redrive", at(PROJECTIONS[1])), json!({})).await;
    assert_eq!(console.followed(&redriven).await["request"]["done"], 1);
    console.role.stop().await;
    lost
}

#[tokio::test]
async fn a_filter_that_makes_no_sense_is_named() {
    let world = World::shared();
    for (arguments, named) in [
        (&["list", "--reason", "bad-luck"][..], "bad-luck"),
        (&["causes", "--since", "yesterday"], "yesterday"),
        (&["redrive", "--projection", PROJECTIONS[0], "--rate", "0"], "--rate"),
        (&["redrive", PROJECTIONS[0]], "KEY"),
        (&["redrive"], "PROJECTION"),
        (&["redrive", PROJECTIONS[0], "a-key", "--projection", PROJECTIONS[0]], "--projection"),
        (&["redrive", PROJECTIONS[0], "a-key", "--tenant", "acme"], "--tenant"),
        (&["redrive", "--projection", PROJECTIONS[0], "--force", "--attempts-max", "3"], "--force"),
        (&["audit", PROJECTIONS[0], "--request", "1"], "--request"),
    ] {
        let ran = world.program.run(&[&["parked"][..], arguments].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(named), "{arguments:?} does not name {named}: {ran:?}");
    }
    let unknown = world.program.run(&["parked", "audit", "--request", "9223372036854775807"]).await;
    assert_eq!(unknown.code, 4, "{unknown:?}");
}

#[tokio::test]
async fn a_projection_that_does_not_exist_has_no_parked_keys_but_a_name_that_is_wrong() {
    let world = World::shared();
    for arguments in [
        &["causes", "executions"][..],
        &["list", "executions", "--json"],
        &["audit", "executions"],
        &["show", "executions", "a-key"],
        &["preview", "executions", "a-key"],
        &["redrive", "--projection", "executions"],
        &["discard", "executions", "a-key", "--reason", "why not"],
        &["repair", "executions", "a-key", "--reason", "why not", "--actor", "a test"],
    ] {
        let ran = world.program.run(&[&["parked"][..], arguments].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{arguments:?}: {ran:?}");
        let told = "there is no projection \"executions\"; there are executions-postgres, executions-redis";
        assert!(ran.stderr.contains(told), "{arguments:?}: {ran:?}");
    }
}

/// What JSON tells, tables tell.
async fn people_read_it_too(world: &World, projection: &str, tenant: &str, key: &str) {
    let left = [
        "redrive",
        "--projection",
        projection,
        "--tenant",
        tenant,
        "--limit",
        "1",
        "--actor",
        "ana",
        "--wait",
    ];
    for (arguments, code, told) in [
        (
            &["causes", projection, "--tenant", tenant][..],
            0,
            &["told to refuse event <id>", "ModelCalled", tenant][..],
        ),
        (&["list", projection, "--tenant", tenant], 0, &[key, "told_to_refuse", "parked"]),
        (
            &["show", projection, key],
            0,
            &["\"prompt_tokens\":1000", "payload   00", "after a redrive", "version"],
        ),
        (&["preview", projection, key], 0, &["applied", "after a redrive", "a-repository"]),
        (&left, 10, &["1 keys", "drained 0, left 1, not answered yet 0", "told_to_refuse"]),
        (&["audit", projection, "--limit", "1"], 0, &["redrive", "ana", tenant]),
    ] {
        let ran = world.program.run(&[&["parked"][..], arguments].concat()).await;
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        for text in told {
            assert!(ran.stdout.contains(text), "{arguments:?} does not say {text:?}: {}", ran.stdout);
        }
    }
}

/// Sends bytes that are no event, of a tenant as their header says, all to one partition.
async fn send(world: &World, key: &str, tenant: &str) {
    let producer: FutureProducer = world.env().kafka_client("admin").create().unwrap();
    let headers = OwnedHeaders::new().insert(Header { key: "tenant", value: Some(tenant) });
    let record =
        FutureRecord::to(ExecutionEvent::TOPIC).key(key).payload("no event").headers(headers).partition(3);
    producer.send(record, PATIENCE).await.unwrap();
}
