//! The command line: help, settings, exit statuses, and no secret anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::{Ran, Role, Runs, World, tenant};

/// The commands that a help text lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    let names =
        listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// What the usage line asks for: `<FILE>`, `[COMPONENT]`, `--tenant`.
fn asked_for(help: &str) -> BTreeSet<String> {
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or_default();
    let is_named = |word: &&str| !["[OPTIONS]", "<COMMAND>", "[COMMAND]"].contains(word);
    let words = usage.split(' ').filter(is_named).map(|word| word.trim_end_matches("..."));
    words.filter(|word| word.starts_with(['<', '[', '-']) && *word != "--").map(str::to_owned).collect()
}

#[tokio::test]
async fn every_command_explains_itself_and_what_it_asks_for() {
    let world = World::shared();
    let (mut left, mut seen) = (vec![Vec::<String>::new()], 0);
    while let Some(command) = left.pop() {
        let words = command.iter().map(String::as_str).chain(["--help"]).collect::<Vec<_>>();
        let help = world.program.run(&words).await;
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{command:?}");
        let (about, body) = help.stdout.split_once("Usage: ").expect("a usage line");
        assert!(!about.trim().is_empty(), "{command:?} says nothing about itself");
        let (_, body) = body.split_once('\n').unwrap();
        for asked in asked_for(&help.stdout) {
            assert!(body.contains(&asked), "{command:?} does not explain {asked}: {}", help.stdout);
        }
        assert_eq!(told(&world, &help.stdout), None, "{command:?}");
        seen += 1;
        left.extend(commands(&help.stdout).into_iter().map(|name| [command.clone(), vec![name]].concat()));
    }
    assert!(seen > 30, "{seen} commands were walked, which cannot be all");
}

#[tokio::test]
async fn settings_are_shown_with_their_origin_and_without_secrets() {
    let world = World::shared();
    for command in [
        &["run", "projector", "--print-config"][..],
        &["run", "relay", "--print-config"],
        &["verify", "--print-config"],
        &["migrate", "--print-config"],
        &["topics", "apply", "--print-config"],
        &["parked", "list", "--print-config"],
    ] {
        let shown = world.program.done(command).await;
        assert!(shown.contains("********") && shown.contains("stack"), "{command:?}: {shown}");
        assert_eq!(told(&world, &shown), None, "{command:?}");
    }
    let command = ["run", "projector", "--print-config", "--linger-ms-max", "3"];
    let shown =
        world.program.command(&command).env("MILLRACE_BATCH_RECORDS_MAX", "77").output().await.unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = |flag: &str| shown.lines().find(|line| line.contains(flag)).unwrap().to_owned();
    assert!(line("--linger-ms-max").contains("flag"), "{shown}");
    assert!(line("--batch-records-max").contains("77"), "{shown}");
    assert!(line("--batch-records-max").contains("environment"), "{shown}");
    assert!(line("--queue-records-max").contains("default"), "{shown}");
}

#[tokio::test]
async fn what_is_unknown_is_named_and_ends_with_its_status() {
    let world = World::shared();
    for (arguments, code, named) in [
        (&["frobnicate"][..], 2, "frobnicate"),
        (&["status", "--frobnicate"], 2, "--frobnicate"),
        (&["import", "run"], 2, "<MAPPING>"),
        (&["run", "projector", "no-projection"], 2, "no-projection"),
        (&["status", "--name", "no-such-stack"], 1, "no-such-stack"),
        (&["verify", "--name", "no-such-stack"], 2, "--events-auditor-url"),
        (&["status", "--name", "No Such"], 1, "No Such"),
    ] {
        let ran: Ran = world.program.run(arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(named), "{arguments:?} does not name {named}: {ran:?}");
    }
}

#[tokio::test]
async fn the_status_is_told_to_people_and_to_programs() {
    let world = World::shared();
    let status = world.program.run(&["status", "--json"]).await;
    assert_eq!(status.code, 0, "{status:?}");
    let components = status.json()["components"].as_array().unwrap().clone();
    let names: Vec<_> = components.iter().map(|it| it["component"].as_str().unwrap()).collect();
    assert_eq!(names, ["postgres", "redis", "kafka", "registry", "connect"]);
    assert!(
        components.iter().all(|it| it["state"] == "up" && it["pid"].as_i64() > Some(0)),
        "{components:?}"
    );
    let table = world.program.done(&["status"]).await;
    assert!(names.iter().all(|name| table.contains(name)), "{table}");
}

#[tokio::test]
async fn no_secret_is_in_a_process_list_a_log_or_an_answer_while_the_chain_works() {
    let (world, tenant, runs) = (World::shared(), tenant("secrets"), Runs::sample(5));
    let (projector, relay) = (Role::projector(&world).await, Role::relay(&world));
    let mut importing = world.program.start(&crate::harness::import(&runs, &tenant));
    let mut verifying = world.program.start(&["verify", "--full"]);
    let mut looks = 0;
    while importing.try_wait().unwrap().is_none() || verifying.try_wait().unwrap().is_none() {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            assert_eq!(told(&world, &String::from_utf8_lossy(&line)), None, "a command line");
        }
        looks += 1;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await; // between two looks
    }
    assert!(looks > 3, "{looks} looks are no watch");
    world.drained(&tenant).await;
    for command in [&["status"][..], &["status", "--json"], &["doctor"], &["logs", "-n", "200"]] {
        let ran = world.program.run(command).await;
        assert_eq!(told(&world, &ran.stdout).or(told(&world, &ran.stderr)), None, "{command:?}");
    }
    relay.stop().await;
    projector.stop().await;
    let logs = logs_below(&world.stack.root());
    assert!(logs.len() >= 7, "{logs:?} are not all logs: five servers, two roles");
    for log in logs {
        let text = fs::read(&log).unwrap();
        assert_eq!(told(&world, &String::from_utf8_lossy(&text)), None, "{}", log.display());
    }
    world.assert_proved().await;
}

/// The name of a secret that a text tells.
fn told<'w>(world: &'w World, text: &str) -> Option<&'w str> {
    let secrets = world.env().iter().filter(|(key, value)| key.ends_with("_PASSWORD") && !value.is_empty());
    secrets.into_iter().find(|(_, value)| text.contains(*value)).map(|(key, _)| key)
}

fn logs_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(logs_below(&path));
        } else if path.to_string_lossy().contains(".log") && !path.to_string_lossy().contains("/data/") {
            found.push(path);
        }
    }
    found
}
