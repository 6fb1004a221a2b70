//! A workspace with a planted violation is found out, from its manifests to the exit status.

use std::path::Path;
use std::process::Command;

fn member(root: &Path, folder: &str, dependencies: &str) {
    let name = folder.rsplit('/').next().expect("a folder has a name");
    let manifest =
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n[dependencies]\n{dependencies}");
    std::fs::create_dir_all(root.join(folder).join("src")).expect("the folder can be made");
    std::fs::write(root.join(folder).join("Cargo.toml"), manifest).expect("the manifest can be written");
    std::fs::write(root.join(folder).join("src/lib.rs"), "").expect("the library can be written");
}

fn check(events_dependencies: &str) -> (bool, String) {
    let root = tempfile::tempdir().expect("there is room for a workspace");
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"schemas/events\", \"consumers/kafka\"]\n";
    std::fs::write(root.path().join("Cargo.toml"), workspace).expect("the manifest can be written");
    member(root.path(), "schemas/events", events_dependencies);
    member(root.path(), "consumers/kafka", "");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["dependencies", "--manifest-path"])
        .arg(root.path().join("Cargo.toml"))
        .output()
        .expect("the check runs");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_planted_violation_fails_the_check_and_is_named() {
    let (passed, said) = check("kafka = { path = \"../../consumers/kafka\" }\n");
    assert!(!passed);
    assert_eq!(said.trim_end(), "events: schemas may not depend on consumers (kafka)");
}

#[test]
fn a_workspace_that_keeps_the_rules_passes() {
    assert_eq!(check(""), (true, String::new()));
}
