//! An import can be killed, repeated, given bad lines, and taken back.

use std::collections::BTreeMap;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{MAPPING, PATIENCE, Ran, Role, Runs, World, eventually, import, sample, tenant};

#[tokio::test]
async fn an_import_that_is_killed_half_way_and_run_again_stores_no_event_twice() {
    let (world, tenant, runs) = (World::shared(), tenant("import-killed"), Runs::sample(20));
    let arguments = [&import(&runs, &tenant)[..], &["--concurrency", "1"]].concat();
    let holding = world.hold(runs.last(&tenant)).await;
    let mut killed = world.program.start(&arguments);
    eventually("some events are stored", PATIENCE, async || world.appended(&tenant).await > 0).await;
    killed.kill().await.unwrap();
    // What it had sent when it died is stored or not by the time its connections are gone.
    eventually("its connections are gone", PATIENCE, async || world.writers().await == 0).await;
    drop(holding);
    let stored = world.appended(&tenant).await;
    assert!(0 < stored && stored < runs.events, "{stored} of {} is not half-way", runs.events);

    let again = world.import(&runs, &tenant).await;
    assert_eq!((&again["rows_applied"], &again["events_present"]), (&20.into(), &stored.into()));
    assert_eq!(again["events_appended"], runs.events - stored);
    let once_more = world.import(&runs, &tenant).await;
    assert_eq!(
        (&once_more["events_appended"], &once_more["events_present"]),
        (&0.into(), &runs.events.into())
    );
    assert_eq!(world.appended(&tenant).await, runs.events);

    let projector = Role::projector(&world).await;
    world.drained(&tenant).await;
    projector.stop().await;
    world.assert_proved().await;
}

#[tokio::test]
async fn bad_lines_are_listed_with_line_key_and_field_and_the_import_stops_or_goes_on_as_asked() {
    let (world, tenant) = (World::shared(), tenant("import-bad"));
    let mut lines = sample(5);
    lines[1] = lines[1].replacen("\"prompt_tokens\":", "\"prompt_tokens\":-", 1);
    lines[3] = "{\"run_id\":".to_owned();
    let runs = Runs::of(&lines);
    let refused = |ran: &Ran| {
        let printed = ran.lines();
        let rejected = printed.iter().filter(|it| it["kind"] == "rejected");
        rejected.map(|it| (it["line"].as_u64().unwrap(), it["field"].to_string())).collect::<Vec<_>>()
    };
    let told = vec![(2, "\"steps[0].prompt_tokens\"".to_owned()), (4, "\".\"".to_owned())];
    for command in ["validate", "run"] {
        let ran = world.program.run(&[&["import", command], &import(&runs, &tenant)[2..]].concat()).await;
        assert_eq!((ran.code, refused(&ran)), (1, told.clone()), "{ran:?}");
        assert_eq!(world.appended(&tenant).await, 0, "nothing is written unless all are good");
    }

    let go_on = [&import(&runs, &tenant)[..], &["--on-error", "continue"]].concat();
    let went_on = world.program.run(&go_on).await;
    assert_eq!((went_on.code, refused(&went_on)), (3, told), "{went_on:?}");
    let last = went_on.lines().pop().unwrap();
    assert_eq!(
        (&last["kind"], &last["rows_applied"], &last["rows_rejected"]),
        (&"imported".into(), &3.into(), &2.into())
    );
    assert_eq!(world.appended(&tenant).await, runs.events);

    let verify = [&["import", "verify"], &import(&runs, &tenant)[2..]].concat();
    let verified = world.program.run(&verify).await;
    assert_eq!((verified.code, &verified.json()["verified"]["rows_equal"]), (0, &3.into()), "{verified:?}");
    let listed = world.program.done(&["import", "status", "--tenant", tenant.as_str()]).await;
    assert!(listed.contains("agent-runs") && listed.contains("done"), "{listed}");

    let projector = Role::projector(&world).await;
    world.drained(&tenant).await;
    projector.stop().await;
    world.assert_proved().await;
}

#[tokio::test]
async fn a_file_without_lines_is_imported_and_a_missing_one_is_named() {
    let (world, tenant, none) = (World::shared(), tenant("import-none"), Runs::of(&[]));
    let imported = world.import(&none, &tenant).await;
    assert_eq!((&imported["rows"], &imported["events_appended"]), (&0.into(), &0.into()));

    let missing = ["import", "run", MAPPING, "/no/such/file", "--tenant", tenant.as_str()];
    let missing = world.program.run(&missing).await;
    assert_eq!((missing.code, missing.stdout.as_str()), (1, ""), "{missing:?}");
    assert!(missing.stderr.contains("/no/such/file"), "{missing:?}");
}

#[tokio::test]
async fn a_text_that_is_no_tenant_is_a_usage_error() {
    let (world, runs) = (World::shared(), Runs::of(&[]));
    for no_tenant in ["", "Acme", "acme corp", "1st"] {
        let ran = world.program.run(&["import", "run", MAPPING, runs.path(), "--tenant", no_tenant]).await;
        assert_eq!(ran.code, 2, "{no_tenant:?}: {ran:?}");
        assert!(ran.stderr.contains("--tenant"), "{no_tenant:?}: {ran:?}");
    }
}

/// What both views say of a tenant, without the versions, sums and places that a second life of an aggregate changes.
async fn views(world: &World, tenant: &events::TenantId) -> (Vec<Value>, BTreeMap<String, String>) {
    let rows =
        "select to_jsonb(e) - '{version,events_sum,source_partition,source_offset,recorded_at,updated_at}'::text[]
        from execution as e where tenant_id = $1 and deleted_at is null order by aggregate_id";
    let mut views = world.postgres("MILLRACE_VIEWS_WRITER_URL").await;
    let rows = sqlx::query_scalar(rows).bind(tenant.as_str()).fetch_all(&mut views).await.unwrap();
    let mut live = BTreeMap::new();
    let note = |it: projection_redis::ViewAt<_>| {
        if let (true, Some(view)) = (it.tenant == *tenant, it.row.view) {
            live.insert(it.aggregate_id.to_string(), format!("{view:?}"));
        }
    };
    world.redis().rows(note).await.unwrap();
    (rows, live)
}

#[tokio::test]
async fn an_import_is_backed_up_taken_back_and_made_again_and_the_views_are_as_after_the_first() {
    let (world, tenant, runs) = (World::shared(), tenant("import-back"), Runs::sample(20));
    let (folder, projector) = (TempDir::new().unwrap(), Role::projector(&world).await);
    let backups = folder.path().to_str().unwrap();
    let run = [&import(&runs, &tenant)[..], &["--backup", backups]].concat();
    let ran = world.program.run(&run).await;
    assert_eq!((ran.code, &ran.json()["events_appended"]), (0, &runs.events.into()), "{ran:?}");
    world.drained(&tenant).await;
    let first = views(&world, &tenant).await;
    assert_eq!((first.0.len(), first.1.len()), (20, 20));

    let status = ["import", "status", "--tenant", tenant.as_str(), "--json"];
    let listed = world.program.run(&status).await.json();
    let id = listed["run_id"].as_str().unwrap();
    let backup = archive::Folder::open(&folder.path().join(format!("before-import-{id}"))).unwrap();
    assert_eq!(listed["backup"]["sha256"], backup.digest);
    assert!(backup.manifest.streams.iter().all(|stream| stream.tenant_id != tenant.as_str()));

    let deed = ["--tenant", tenant.as_str(), "--actor", "a test", "--reason", "a mistake", "--json"];
    let roll_back = [&["import", "rollback", id], &deed[..]].concat();
    let planned = world.program.run(&[&roll_back[..], &["--dry-run"]].concat()).await.json();
    assert_eq!((&planned["withdrawn"], &planned["ended"]), (&20.into(), &false.into()), "{planned}");
    assert_eq!(views(&world, &tenant).await, first);
    let did = world.program.run(&roll_back).await.json();
    assert_eq!((&did["events_pruned"], &did["ended"]), (&runs.events.into(), &true.into()), "{did}");
    assert_eq!(world.appended(&tenant).await, 20, "of each run its withdrawal stays");
    let none = (Vec::new(), BTreeMap::new());
    eventually("the views are empty", PATIENCE, async || views(&world, &tenant).await == none).await;

    assert_eq!(world.import(&runs, &tenant).await["events_appended"], runs.events);
    eventually("the views are as they were", PATIENCE, async || views(&world, &tenant).await == first).await;
    projector.stop().await;
    world.assert_proved().await;
}
