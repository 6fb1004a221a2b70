use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use local::{Component, RaiseArgs, StackEnv};
use testkit::OwnStack;

/// The command lines of all processes that hold a secret, without the secret.
fn command_lines_with(secrets: &[String]) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let text = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    text.filter(|line| secrets.iter().any(|secret| line.contains(secret)))
        .map(|line| redacted(&line, secrets))
        .collect()
}

fn redacted(line: &str, secrets: &[String]) -> String {
    secrets.iter().fold(line.to_owned(), |line, secret| line.replace(secret, "SECRET"))
}

fn secrets_of(env: &StackEnv) -> Vec<String> {
    let secrets: Vec<String> = env.secrets().map(str::to_owned).collect();
    assert!(secrets.len() > 10 && secrets.iter().all(|secret| secret.len() >= 32));
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_a_process_list_while_servers_start() {
    let own = OwnStack::new("secrets");
    let raising = own.stack.raise(&RaiseArgs::default()).await.unwrap();
    let secrets = secrets_of(raising.env());
    let up = AtomicBool::new(false);
    let start = async {
        raising.only(&[Component::Postgres, Component::Redis]).await.unwrap();
        up.store(true, Ordering::Relaxed);
    };
    let watch = async {
        let mut looks = 0;
        while !up.load(Ordering::Relaxed) {
            assert_eq!(command_lines_with(&secrets), Vec::<String>::new());
            looks += 1;
            tokio::time::sleep(Duration::from_millis(5)).await; // hundreds of looks while the cluster is made
        }
        looks
    };
    let ((), looks) = tokio::join!(start, watch);
    assert!(looks > 10, "{looks} looks are no watch");
    only_private_files_hold(&secrets, &own.stack.root());
    let status = serde_json::to_string(&own.stack.status().await.unwrap()).unwrap();
    assert!(!secrets.iter().any(|secret| status.contains(secret)), "a secret in the status");
}

#[test]
fn no_secret_of_the_stack_that_is_up_is_in_a_process_list_or_a_log() {
    let facts = testkit::stack();
    let secrets = secrets_of(facts.env());
    assert_eq!(command_lines_with(&secrets), Vec::<String>::new());
    for component in Component::ALL {
        let log = fs::read(facts.stack().log(component)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let told = log.lines().find(|line| secrets.iter().any(|secret| line.contains(secret)));
        assert_eq!(told.map(|line| redacted(line, &secrets)), None, "{component}");
    }
}

/// What holds a secret is readable by its owner alone.
fn only_private_files_hold(secrets: &[String], folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            only_private_files_hold(secrets, &path);
        } else if kind.is_file() && entry.metadata().unwrap().len() < 1 << 20 {
            let content = fs::read(&path).unwrap_or_default();
            let content = String::from_utf8_lossy(&content);
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let holds = secrets.iter().any(|secret| content.contains(secret));
            assert!(!holds || mode == 0o600, "{} holds a secret and has the mode {mode:o}", path.display());
        }
    }
}
