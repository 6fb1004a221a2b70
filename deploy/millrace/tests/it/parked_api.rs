//! Parked keys over HTTP: one tenant's, from the cause to the proof, with nothing but requests; and never another's.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::harness::{Agent, Console, PATIENCE, Role, World, eventually, new_event_id, tenant, token};

const PROJECTION: &str = "executions-postgres";
const OTHER: &str = "executions-redis";

/// What the program prints on its command line, line by line.
async fn printed(world: &World, arguments: &[&str]) -> Value {
    let ran = world.program.run(&[&["parked"][..], arguments, &["--json"]].concat()).await;
    ran.lines().into()
}

#[tokio::test]
async fn parked_keys_are_found_foreseen_mended_redriven_and_accounted_for_over_http_alone() {
    let (world, tenant) = (World::shared(), tenant("console"));
    let bad = [new_event_id(), new_event_id(), new_event_id()];
    let told = bad.map(|id| id.to_string()).join(",");
    let refusing = Role::projector_with(&world, &[("MILLRACE_REFUSE_EVENTS", &told)]).await;
    let mut agents = Vec::new();
    for id in bad {
        let mut agent = Agent::started(&world, &tenant).await;
        agent.call(id).await;
        agent.tool(new_event_id()).await;
        agents.push(agent);
    }
    world.parked_but_drained(6, &tenant).await;
    let console = Console::open(&world, tenant.as_str(), &[]).await;

    let causes = console.get("causes", &format!("/causes?projection={PROJECTION}")).await;
    let [cause] = causes["causes"].as_array().unwrap().as_slice() else { panic!("{causes:#}") };
    assert_eq!(
        (&cause["reason"], &cause["keys"], &cause["records"]),
        (&"told_to_refuse".into(), &3.into(), &6.into())
    );
    assert_eq!(cause["some_tenants"], json!([tenant.as_str()]));
    let of_tenant = ["--tenant", tenant.as_str()];
    assert_eq!(causes["causes"], printed(&world, &[&["causes", PROJECTION][..], &of_tenant].concat()).await);
    let keys = console.get("keys", "/keys?reason=told_to_refuse&type=ModelCalled").await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 6, "of both projections: {keys:#}");
    assert_eq!(console.get("keys", "/keys?type=ToolUsed").await["keys"], json!([]));
    let keys = console.get("keys", &format!("/keys?projection={PROJECTION}&limit=2")).await;
    let listed = [&["list", PROJECTION, "--limit", "2"][..], &of_tenant].concat();
    assert_eq!(keys["keys"], printed(&world, &listed).await);

    let key = cause["example"].as_str().unwrap();
    let at = format!("/keys/{PROJECTION}/{key}");
    let shown = console.get("key", &at).await;
    assert_eq!(shown["records"][0]["payload"]["prompt_tokens"], 1_000, "{shown:#}");
    assert!(shown["records"][0]["payload_hex"].as_str().unwrap().starts_with("00"), "{shown:#}");
    assert_eq!(shown["redrive"][0]["rows"][0]["then"]["version"], 3, "{shown:#}");
    assert_eq!(json!([shown]), printed(&world, &["show", PROJECTION, key]).await);
    let foreseen = console.get("preview", &format!("{at}/preview")).await;
    let fates = foreseen["redrive"][0]["records"].as_array().unwrap();
    assert!(fates.len() == 2 && fates.iter().all(|fate| fate["outcome"] == "applied"), "{foreseen:#}");
    assert_eq!(foreseen["redrive"], printed(&world, &["preview", PROJECTION, key]).await);
    let nothing = console.refused_here(Method::GET, &format!("{at}/missing"), None).await;
    assert_eq!(
        (nothing.status, &nothing.problem["type"]),
        (StatusCode::CONFLICT, &"/problems/not-repairable".into())
    );

    let many = json!({ "projection": PROJECTION, "reason": "told_to_refuse" });
    let in_vain = console.post("redrives", "/redrives", many.clone()).await;
    let in_vain = console.followed(&in_vain).await;
    assert_eq!(
        (&in_vain["request"]["failed"], &in_vain["request"]["done"]),
        (&3.into(), &0.into()),
        "the switch is still on"
    );
    assert_eq!(in_vain["keys"][0]["reason"], "told_to_refuse");

    refusing.stop().await; // mended
    let projector = Role::projector(&world).await;
    let third = agents[2].id.to_string();
    let reason = "wrong by a factor, says ana";
    // All of it: the fold refuses a tool run without the answer of the model before it.
    let discard = json!({ "reason": reason, "all": true });
    let discarded = console.post("discard", &format!("/keys/{PROJECTION}/{third}/discard"), discard).await;
    assert_eq!(discarded["offsets"].as_array().unwrap().len(), 2, "{discarded:#}");
    let discarded = console.followed(&discarded).await;
    assert_eq!((&discarded["request"]["done"], &discarded["request"]["reason"]), (&1.into(), &reason.into()));

    let asked = console.post("redrives", "/redrives", json!({ "projection": PROJECTION, "rate": 0.2 })).await;
    assert_eq!((&asked["goes_on"], &asked["request"]["keys"]), (&false.into(), &2.into()));
    let path = format!("/requests/{}", asked["request"]["id"]);
    eventually("one of two keys is asked for", PATIENCE, async || {
        console.get("request", &path).await["request"]["to_ask"] == 1
    })
    .await;
    let console = console.kill_and_open_again(&world).await;
    let drained = console.followed(&asked).await;
    assert_eq!(
        (&drained["request"]["done"], &drained["request"]["failed"]),
        (&2.into(), &0.into()),
        "{drained:#}"
    );
    let times: Vec<chrono::DateTime<chrono::Utc>> = drained["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["asked_at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(
        times[1] - times[0] >= chrono::Duration::seconds(5),
        "no faster than wanted, whoever asks: {times:?}"
    );

    for agent in &agents {
        let one = console.post("redrive", &format!("/keys/{OTHER}/{}/redrive", agent.id), json!({})).await;
        assert_eq!(console.followed(&one).await["request"]["done"], 1);
    }
    let requests = console.get("requests", &format!("/requests?projection={PROJECTION}")).await;
    let told: Vec<_> =
        requests["requests"].as_array().unwrap().iter().map(|it| (&it["action"], &it["actor"])).collect();
    let ana = json!("ana");
    assert_eq!(told, [(&json!("redrive"), &ana), (&json!("discard"), &ana), (&json!("redrive"), &ana)]);
    let audit = ["audit", "--request", &asked["request"]["id"].to_string()];
    let [request, first, second] =
        printed(&world, &audit).await.as_array().unwrap().clone().try_into().unwrap();
    assert_eq!((&drained["request"], &drained["keys"]), (&request, &json!([first, second])));

    assert_eq!(console.get("keys", "/keys").await["keys"], json!([]));
    assert_eq!(console.get("causes", "/causes").await["causes"], json!([]));
    world.drained(&tenant).await;
    assert!(console.role.metric("millrace_api_requests_total").await.unwrap() > 5.0);
    assert_eq!(
        console.role.metric("millrace_parked_turns_total").await,
        Some(4.0),
        "one before it was killed"
    );
    console.role.stop().await;
    projector.stop().await;
    world.assert_proved().await;
    let said = world.program.done(&["verify", "--full"]).await;
    assert!(
        said.contains("but for what is explained: ") && said.contains(" done without by decision"),
        "{said}"
    );
}

/// Keys as a projector leaves them, without one: nobody carries out what is asked for.
async fn parked(database: &testkit::Database, ours: &str) {
    let mut owner = PgConnection::connect(&database.url("owner")).await.unwrap();
    projection_postgres::migrate(&mut owner, &[]).await.unwrap();
    let mut writer = PgConnection::connect(&database.url("views_writer")).await.unwrap();
    for (key, partition, tenants) in [
        ("own", 0, &[Some(ours), Some(ours)][..]),
        ("twice", 0, &[Some(ours)]),
        ("twice", 1, &[Some("strangers")]),
        ("mixed", 0, &[Some(ours), Some("strangers")]),
        ("half-told", 0, &[Some(ours), None]),
        ("untold", 0, &[None]),
        ("theirs", 0, &[Some("strangers")]),
    ] {
        let at: i64 =
            sqlx::query_scalar("select count(*) from parked_event").fetch_one(&mut writer).await.unwrap();
        sqlx::query("insert into parked_key (projection, topic, partition, key, tenant_id, reason, message, first_offset) values ($1, 't', $2, $3, $4, 'refused', 'no', $5)")
            .bind(PROJECTION)
            .bind(partition)
            .bind(key.as_bytes())
            .bind(tenants[0])
            .bind(at)
            .execute(&mut writer)
            .await
            .unwrap();
        for (offset, tenant) in (at..).zip(tenants) {
            sqlx::query("insert into parked_event (projection, topic, partition, record_offset, key, header_names, header_values, tenant_id, reason, message) values ($1, 't', $2, $3, $4, '{}', '{}', $5, 'refused', 'no')")
                .bind(PROJECTION)
                .bind(partition)
                .bind(offset)
                .bind(key.as_bytes())
                .bind(tenant)
                .execute(&mut writer)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn an_operator_meets_keys_and_requests_that_are_its_tenants_alone() {
    let (world, database) = (World::shared(), testkit::views_database().await);
    parked(&database, "ours").await;
    let url = database.url("views_writer");
    let console = Console::open(&world, "ours", &[("MILLRACE_VIEWS_WRITER_URL", &url)]).await;
    let strangers = token(&world, "strangers", "admin").await;
    let names = |keys: &Value| -> Vec<(String, i64)> {
        let keys = keys["keys"].as_array().unwrap().iter();
        keys.map(|it| (it["key"].as_str().unwrap().to_owned(), it["partition"].as_i64().unwrap())).collect()
    };
    let own = [("own".to_owned(), 0), ("twice".to_owned(), 0)];
    assert_eq!(names(&console.get("keys", "/keys").await), own);
    let causes = console.get("causes", "/causes").await;
    assert_eq!(
        (&causes["causes"][0]["keys"], &causes["causes"][0]["some_tenants"]),
        (&2.into(), &json!(["ours"]))
    );
    let twice = console.get("key", &format!("/keys/{PROJECTION}/twice")).await;
    let records = twice["records"].as_array().unwrap();
    assert!(records.len() == 1 && records[0]["tenant"] == "ours", "{twice:#}");

    let reason = json!({ "reason": "why not" });
    for key in ["mixed", "half-told", "untold", "theirs", "nobodys"] {
        for (method, tail, body) in [
            (Method::GET, "", None),
            (Method::GET, "/preview", None),
            (Method::GET, "/missing", None),
            (Method::POST, "/redrive", Some(json!({}))),
            (Method::POST, "/discard", Some(reason.clone())),
            (Method::POST, "/repair", Some(reason.clone())),
        ] {
            let refusal =
                console.refused_here(method, &format!("/keys/{PROJECTION}/{key}{tail}"), body).await;
            assert_eq!(refusal.status, StatusCode::NOT_FOUND, "{key}{tail}: {refusal:?}");
            let detail = format!("{PROJECTION} has no parked key \"{key}\"");
            assert_eq!(refusal.problem["detail"], detail, "the same for all, {refusal:?}");
        }
    }
    let stale = json!({ "reason": "no use", "offsets": [1] });
    let stale =
        console.refused_here(Method::POST, &format!("/keys/{PROJECTION}/twice/discard"), Some(stale)).await;
    assert_eq!(
        (stale.status, &stale.problem["type"]),
        (StatusCode::CONFLICT, &"/problems/key-changed".into())
    );
    let asked = console
        .post(
            "discard",
            &format!("/keys/{PROJECTION}/twice/discard"),
            json!({ "reason": "no use", "all": true, "offsets": [2] }),
        )
        .await;
    assert_eq!(
        (&asked["offsets"], &asked["request"]["open"]),
        (&json!([2]), &1.into()),
        "the other one is somebody else's"
    );
    let busy = console
        .refused_here(Method::POST, &format!("/keys/{PROJECTION}/twice/redrive"), Some(json!({})))
        .await;
    assert_eq!((busy.status, &busy.problem["type"]), (StatusCode::CONFLICT, &"/problems/key-busy".into()));
    let many = console.post("redrives", "/redrives", json!({ "projection": PROJECTION, "rate": 1000 })).await;
    assert_eq!(many["request"]["keys"], 1, "nobody else's, and not the one that is asked for: {many:#}");
    let mut writer = PgConnection::connect(&url).await.unwrap();
    let asked_for = "select key, partition, state from parked_key where state <> 'parked' order by key";
    eventually("both owners are asked", PATIENCE, async || {
        let asked: Vec<(Vec<u8>, i32, String)> =
            sqlx::query_as(asked_for).fetch_all(&mut writer).await.unwrap();
        let twice = (b"twice".to_vec(), 0, "discard".to_owned());
        asked == [(b"own".to_vec(), 0, "redrive".to_owned()), twice]
    })
    .await;

    for request in [&asked["request"]["id"], &many["request"]["id"]] {
        let path = format!("/requests/{request}");
        assert_eq!(console.get("request", &path).await["request"]["id"], *request);
        let refusal = console.refused(Some(&strangers), Method::GET, &path, None).await;
        assert_eq!(refusal.status, StatusCode::NOT_FOUND, "{refusal:?}");
    }
    let all = console.get("requests", "/requests").await;
    assert_eq!(all["requests"].as_array().unwrap().len(), 2, "{all:#}");
    // What somebody of all tenants asked for is not one tenant's to see.
    writer.execute("update parked_request_key set tenant_id = null").await.unwrap();
    let redrive = &console.get("requests", "/requests").await["requests"];
    assert_eq!(redrive, &json!([]));
    console.role.stop().await;
}

#[tokio::test]
async fn whoever_may_not_is_refused_and_a_bad_request_is_told_what_is_wrong_with_it() {
    let (world, database) = (World::shared(), testkit::views_database().await);
    parked(&database, "ours").await;
    let console =
        Console::open(&world, "ours", &[("MILLRACE_VIEWS_WRITER_URL", &database.url("views_writer"))]).await;
    let own = format!("/keys/{PROJECTION}/own");
    let reason = json!({ "reason": "why not" });
    let changes = [
        (format!("{own}/redrive"), json!({})),
        (format!("{own}/discard"), reason.clone()),
        (format!("{own}/repair"), reason),
        ("/redrives".to_owned(), json!({ "projection": PROJECTION })),
    ];
    let reader = token(&world, "ours", "reader").await;
    let writer = token(&world, "ours", "writer").await;
    for (path, body) in &changes {
        for (token, status) in [
            (None, StatusCode::UNAUTHORIZED),
            (Some("junk"), StatusCode::UNAUTHORIZED),
            (Some(reader.as_str()), StatusCode::FORBIDDEN),
            (Some(writer.as_str()), StatusCode::FORBIDDEN),
        ] {
            let refusal = console.refused(token, Method::POST, path, Some(body.clone())).await;
            assert_eq!(refusal.status, status, "{path} {refusal:?}");
        }
    }
    let preview = format!("{own}/preview");
    let missing = format!("{own}/missing");
    for path in ["/causes", "/keys", &own, &preview, &missing, "/requests", "/requests/1"] {
        let refusal = console.refused(None, Method::GET, path, None).await;
        assert_eq!(refusal.status, StatusCode::UNAUTHORIZED, "{path} {refusal:?}");
    }

    for (path, parameter) in [
        ("/causes?projection=executions", "projection"),
        ("/keys?reason=bad-luck", "reason"),
        ("/keys?since=yesterday", "since"),
        ("/keys?tenant=strangers", "tenant"),
        ("/keys?limit=0", "limit"),
        ("/keys?limit=1001", "limit"),
        ("/keys?limit=1&limit=1", "limit"),
        ("/requests?projection=x", "projection"),
        ("/requests/first", "id"),
        ("/keys/executions-postgres/own?limit=many", "limit"),
        ("/keys/executions-postgres/own/preview?since=1", "since"),
        ("/keys/executions-postgres/own/missing?limit=1", "limit"),
        ("/keys/executions-postgres/%5Cxzz", "key"),
    ] {
        let refusal = console.refused_here(Method::GET, path, None).await;
        assert_eq!(
            (refusal.status, &refusal.problem["parameter"]),
            (StatusCode::BAD_REQUEST, &parameter.into()),
            "{path} {refusal:?}"
        );
    }
    let nowhere = console.refused_here(Method::GET, "/keys/executions/own", None).await;
    assert_eq!(
        (nowhere.status, &nowhere.problem["parameter"]),
        (StatusCode::NOT_FOUND, &"projection".into())
    );
    assert!(
        nowhere.problem["detail"]
            .as_str()
            .unwrap()
            .contains("there are executions-postgres, executions-redis"),
        "{nowhere:?}"
    );
    let unknown = console.refused_here(Method::GET, "/requests/9223372036854775807", None).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{unknown:?}");

    let redrives = |extra: Value| {
        let mut body = json!({ "projection": PROJECTION });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        ("/redrives".to_owned(), body)
    };
    let (redrive, discard, repair) =
        (format!("{own}/redrive"), format!("{own}/discard"), format!("{own}/repair"));
    for ((path, body), field) in [
        (("/redrives".to_owned(), json!({})), ""),
        (("/redrives".to_owned(), json!({ "projection": "executions" })), "/projection"),
        (redrives(json!({ "reason": "bad-luck" })), "/reason"),
        (redrives(json!({ "since": "yesterday" })), "/since"),
        (redrives(json!({ "limit": 0 })), "/limit"),
        (redrives(json!({ "rate": 0 })), "/rate"),
        (redrives(json!({ "rate": 1001 })), "/rate"),
        (redrives(json!({ "attempts_max": 0 })), "/attempts_max"),
        (redrives(json!({ "attempts_max": 3, "force": true })), "/force"),
        (redrives(json!({ "tenant": "strangers" })), "/tenant"),
        ((redrive, json!({ "force": "yes" })), "/force"),
        ((discard.clone(), json!({})), ""),
        ((discard.clone(), json!({ "reason": " " })), "/reason"),
        ((discard, json!({ "reason": "x".repeat(2_001) })), "/reason"),
        ((repair, json!({ "reason": "" })), "/reason"),
    ] {
        let refusal = console.refused_here(Method::POST, &path, Some(body.clone())).await;
        let told = (refusal.status, refusal.problem["field"].as_str());
        assert_eq!(told, (StatusCode::UNPROCESSABLE_ENTITY, Some(field)), "{path} {body} {refusal:?}");
    }
    let none = console.refused_here(Method::POST, "/redrives", None).await;
    assert_eq!(none.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{none:?}");
    assert_eq!(console.get("requests", "/requests").await["requests"], json!([]), "nothing was asked for");

    let mut writer = PgConnection::connect(&database.url("views_writer")).await.unwrap();
    writer.execute("update parked_key set attempts = 5").await.unwrap();
    let exhausted = console.refused_here(Method::POST, &format!("{own}/redrive"), Some(json!({}))).await;
    assert_eq!(
        (exhausted.status, &exhausted.problem["type"]),
        (StatusCode::CONFLICT, &"/problems/key-exhausted".into())
    );
    let left = console.post("redrives", "/redrives", json!({ "projection": PROJECTION })).await;
    assert_eq!((&left["left_alone"], &left["request"]["keys"]), (&2.into(), &0.into()), "{left:#}");
    let forced = console.post("redrive", &format!("{own}/redrive"), json!({ "force": true })).await;
    assert_eq!(forced["request"]["keys"], 1, "{forced:#}");
    console.role.stop().await;
}

#[tokio::test]
async fn one_tenant_that_asks_too_much_is_told_when_to_come_again() {
    let (world, database) = (World::shared(), testkit::views_database().await);
    parked(&database, "ours").await;
    let url = database.url("views_writer");
    let bounds = [
        ("MILLRACE_VIEWS_WRITER_URL", url.as_str()),
        ("MILLRACE_API_RATE", "1"),
        ("MILLRACE_API_BURST", "1"),
    ];
    let console = Console::open(&world, "ours", &bounds).await;
    console.get("keys", "/keys").await;
    // However slow, two at once are more than one and what a second brings.
    let mut refusal = None;
    eventually("it asks too much", PATIENCE, async || {
        let asked = futures::future::join_all([(); 4].map(|()| console.asked("/keys"))).await;
        refusal = asked.into_iter().find_map(Result::err);
        refusal.is_some()
    })
    .await;
    let refusal = refusal.unwrap();
    assert_eq!(refusal.status, StatusCode::TOO_MANY_REQUESTS, "{refusal:?}");
    console.role.stop().await;
}
