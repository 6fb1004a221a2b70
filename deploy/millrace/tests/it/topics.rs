//! `millrace topics` as people and pipelines use it.

use std::path::{Path, PathBuf};

use crate::harness::{Ran, World, finish};

const PASSWORD: &str = "a password of a test";

/// A folder with a manifest, and the program.
struct Desk {
    world: World,
    folder: tempfile::TempDir,
    name: String,
}

impl Desk {
    fn new() -> Self {
        let (world, folder) = (World::shared(), tempfile::tempdir().unwrap());
        Self { world, folder, name: testkit::unique("desk") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Declares one keyed topic of so many partitions, and one user who reads it.
    fn declare(&self, partitions: u32) -> PathBuf {
        let (file, name) = (self.file("topics.yaml"), &self.name);
        let text = format!(
            "
topics:
  - {{name: {name}, purpose: A test., owner: tests, key: a key, partitions: {partitions}, partitions_reason: A test.,
     replicas: 1, min_in_sync_replicas: 1, retention: 2h, consumers: []}}
users:
  - {{name: {name}, purpose: A test., reads: [{name}]}}
"
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    /// `millrace topics`, with the password of the user in the environment.
    async fn topics(&self, verb: &str, manifest: &Path, more: &[&str]) -> Ran {
        let manifest = manifest.display().to_string();
        let arguments = [&["topics", verb, "--manifest", &manifest][..], more].concat();
        let mut command = self.world.program.command(&arguments);
        command.env(catalog::Passwords::variable(&self.name), PASSWORD);
        finish(command.spawn().unwrap(), &arguments).await
    }
}

#[tokio::test]
async fn a_change_is_planned_looked_at_and_applied_once() {
    let desk = Desk::new();
    let (manifest, plan) = (desk.declare(2), desk.file("plan.json").display().to_string());

    let planned = desk.topics("plan", &manifest, &["--check", "--json", "--out", &plan]).await;
    assert_eq!(planned.code, 10, "{planned:?}");
    assert_eq!(planned.json()["steps"].as_array().unwrap().len(), 3, "topic, user, rule: {planned:?}");
    assert!(!std::fs::read_to_string(&plan).unwrap().contains(PASSWORD));
    let table = desk.topics("plan", &manifest, &[]).await;
    assert!(table.code == 0 && table.stdout.contains("| create | user desk-"), "{table:?}");

    let done = desk.topics("apply", &manifest, &[&plan]).await;
    assert!(done.code == 0 && done.stdout.contains("3 changes, 0 refused"), "{done:?}");
    let again = desk.topics("apply", &manifest, &[&plan]).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("the cluster has moved since the plan was made"), "{again:?}");
    assert_eq!(desk.topics("plan", &manifest, &["--check"]).await.code, 0);
}

#[tokio::test]
async fn what_is_refused_ends_with_its_status_and_leaves_no_plan_file() {
    let desk = Desk::new();
    assert_eq!(desk.topics("apply", &desk.declare(2), &[]).await.code, 0);
    let (grown, plan) = (desk.declare(4), desk.file("plan.json"));
    let out = plan.display().to_string();
    let refused = desk.topics("plan", &grown, &["--check", "--out", &out]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stdout.contains(&format!("--grow-keyed {}", desk.name)) && !plan.exists(), "{refused:?}");
    let told = desk.topics("plan", &grown, &["--check", "--out", &out, "--grow-keyed", &desk.name]).await;
    assert_eq!(told.code, 10, "{told:?}");
    assert_eq!(desk.topics("apply", &grown, &[&out, "--grow-keyed", &desk.name]).await.code, 2);
    assert_eq!(desk.topics("apply", &grown, &[&out]).await.code, 0);
    let elsewhere = desk.topics("plan", &grown, &["--cluster-id", "another"]).await;
    assert!(elsewhere.code == 1 && elsewhere.stderr.contains("not another"), "{elsewhere:?}");
}

#[tokio::test]
async fn what_is_exported_is_as_declared() {
    let desk = Desk::new();
    assert_eq!(desk.topics("apply", &desk.declare(2), &[]).await.code, 0);
    let exported = desk.file("exported.yaml");
    std::fs::write(&exported, desk.world.program.done(&["topics", "export", "--prefix", &desk.name]).await)
        .unwrap();
    let checked = desk.topics("plan", &exported, &["--check", "--json"]).await;
    assert_eq!((checked.code, &checked.json()["unchanged"]), (0, &serde_json::json!(3)), "{checked:?}");
}
