//! A stream that left the store for a file is shown from there, accounted for, and comes back.

use tempfile::TempDir;

use crate::harness::{Agent, Ran, Role, World, new_event_id, tenant};

const DEED: [&str; 4] = ["--actor", "a test", "--reason", "nobody reads it any more"];

/// What `millrace events` says of an aggregate.
async fn looks(world: &World, of: &[&str], more: &[&str]) -> Vec<(i32, String)> {
    let mut said = vec![];
    for look in [
        &["timeline"][..],
        &["show", "--version", "2"],
        &["state", "--version", "3"],
        &["diff", "--from", "1", "--to", "4"],
    ] {
        let Ran { code, stdout, .. } =
            world.program.run(&[&["events"], look, of, &["--json"], more].concat()).await;
        said.push((code, stdout));
    }
    said
}

#[tokio::test]
async fn an_archived_stream_is_read_from_its_archive_and_comes_back_and_verify_accounts_for_it() {
    let (world, tenant, directory) = (World::shared(), tenant("archive"), TempDir::new().unwrap());
    let projector = Role::projector(&world).await;
    let mut agent = Agent::started(&world, &tenant).await;
    for _ in 0..4 {
        agent.call(new_event_id()).await;
    }
    world.drained(&tenant).await;
    let id = agent.id.to_string();
    let of = [id.as_str(), "--tenant", tenant.as_str()];
    let before = looks(&world, &of, &[]).await;
    assert!(before.iter().all(|(code, said)| *code == 0 && !said.is_empty()), "{before:?}");

    let path = directory.path().to_str().unwrap();
    let archive = [&["archive", "streams"], &of[..], &["--directory", path], &DEED].concat();
    let archived = world.program.done(&archive).await;
    assert!(archived.starts_with("4 events of 1 streams are in "), "{archived}");
    assert_eq!(world.appended(&tenant).await, 1, "its last event stays");
    let list = ["archive", "list", "--directory", path, "--json"];
    let listed = world.program.run(&list).await.json();
    assert_eq!((&listed["state"], &listed["events"]), (&"archived".into(), &4.into()), "{listed}");
    world.assert_proved().await;

    let rebuild = ["projections", "rebuild", "executions-postgres"];
    let refused = world.program.run(&rebuild).await;
    assert!(refused.code == 1 && refused.stderr.contains("say where with --archive"), "{refused:?}");
    world.program.done(&[&rebuild[..], &["--archive", path]].concat()).await;
    world.assert_proved().await;

    assert_eq!(looks(&world, &of, &["--archive", path]).await, before);
    let left = looks(&world, &of, &[]).await;
    assert_eq!(left.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [0, 1, 1, 1], "{left:?}");
    assert!(left[0].1.starts_with("{\"archived_through\":4}\n"), "{left:?}");

    let folder = directory.path().join(listed["name"].as_str().unwrap());
    world.program.done(&[&["archive", "restore", folder.to_str().unwrap()], &DEED[..]].concat()).await;
    assert_eq!(looks(&world, &of, &[]).await, before);
    assert_eq!(world.program.run(&list).await.json()["state"], "restored");
    projector.stop().await;
    world.assert_proved().await;
}
