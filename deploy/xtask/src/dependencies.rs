//! The rules of dependency: who may know whom.

use crate::metadata::{Member, Members};

/// The top folders from the ground up: a crate sees its own folder and those before it. Producers and consumers never
/// see each other.
const LAYERS: [(&str, &[&str]); 5] = [
    ("schemas", &[]),
    ("connectors", &["schemas"]),
    ("producers", &["schemas", "connectors"]),
    ("consumers", &["schemas", "connectors"]),
    ("deploy", &["schemas", "connectors", "producers", "consumers", "chaos"]),
];

/// The test kit raises the local stack, and nothing but tests may use it.
const TESTKIT: &str = "testkit";

/// Functions of values, all the way down.
const PURE: [&str; 6] = ["events", "aggregate", "agents", "mapping", "projection", "agent-views"];

/// What no pure crate has in its tree: runtimes, drivers, clocks, random sources.
const IMPURE: [&str; 13] = [
    "tokio",
    "async-std",
    "rdkafka",
    "sqlx",
    "redis",
    "reqwest",
    "hyper",
    "rand",
    "getrandom",
    "fastrand",
    "chrono",
    "time",
    "mio",
];

/// Who may name a driver.
const KEEPERS: [(&str, &[&str]); 3] = [
    ("rdkafka", &["catalog", "kafka", "dead-letters", "local", "millrace", "testkit"]),
    (
        "sqlx",
        &[
            "outbox",
            "event-store",
            "life-cycle",
            "import",
            "archive",
            "ownership",
            "dead-letters",
            "projection-postgres",
            "projection-redis",
            "millrace",
            "testkit",
        ],
    ),
    ("redis", &["projection-redis", "millrace"]),
];

/// Who may speak `anyhow`: programs, which put errors before a person.
const PROGRAMS: [&str; 3] = ["millrace", "local", "xtask"];

/// Every rule that is broken, one sentence each.
pub fn violations(members: &Members) -> Vec<String> {
    members.iter().flat_map(|(name, member)| of_member(name, member, members)).collect()
}

fn of_member(name: &str, member: &Member, members: &Members) -> Vec<String> {
    let mut found = Vec::new();
    let folder = top(member);
    let lower = LAYERS.iter().find(|(layer, _)| *layer == folder).map(|(_, lower)| *lower);

    if member.folder.rsplit('/').next() != Some(name) {
        found.push(format!("{name}: lies in {}, a crate is named as its folder", member.folder));
    }
    for dependency in &member.direct {
        if let (Some(lower), Some(other)) = (lower, members.get(dependency)) {
            let other_folder = top(other);
            if other_folder != folder && !lower.contains(&other_folder) {
                found.push(format!("{name}: {folder} may not depend on {other_folder} ({dependency})"));
            }
        }
        if dependency == TESTKIT {
            found.push(format!("{name}: {TESTKIT} is for tests, name it under dev-dependencies"));
        }
        if let Some((_, keepers)) = KEEPERS.iter().find(|(driver, _)| driver == dependency)
            && !keepers.contains(&name)
        {
            found.push(format!("{name}: only {} may know {dependency}", keepers.join(", ")));
        }
        if dependency == "anyhow" && !PROGRAMS.contains(&name) {
            found
                .push(format!("{name}: a library names its errors, only {} use anyhow", PROGRAMS.join(", ")));
        }
    }
    if PURE.contains(&name) {
        let impure = IMPURE.iter().filter(|package| member.tree.contains(**package));
        found.extend(impure.map(|package| format!("{name}: is pure, but {package} is in its tree")));
    }
    found
}

fn top(member: &Member) -> &str {
    member.folder.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Members {
        let mut members = Members::new();
        for folder in
            ["schemas/events", "producers/agents", "consumers/projection", "consumers/kafka", "chaos/testkit"]
        {
            let name = folder.rsplit('/').next().unwrap().to_owned();
            members.insert(name, Member { folder: folder.to_owned(), ..Member::default() });
        }
        members
    }

    fn plant(name: &str, dependency: &str) -> Vec<String> {
        let mut members = workspace();
        let member = members.get_mut(name).unwrap();
        member.direct.insert(dependency.to_owned());
        member.tree.insert(dependency.to_owned());
        violations(&members)
    }

    #[test]
    fn a_workspace_that_keeps_the_rules_has_no_violation() {
        assert_eq!(plant("projection", "events"), Vec::<String>::new());
        assert_eq!(plant("kafka", "rdkafka"), Vec::<String>::new());
    }

    #[test]
    fn producers_and_consumers_never_depend_on_each_other() {
        assert_eq!(plant("kafka", "agents"), ["kafka: consumers may not depend on producers (agents)"]);
        assert_eq!(plant("agents", "kafka").len(), 1);
    }

    #[test]
    fn nothing_points_back_to_a_higher_layer() {
        assert_eq!(
            plant("events", "projection"),
            ["events: schemas may not depend on consumers (projection)"]
        );
    }

    #[test]
    fn a_pure_crate_has_no_runtime_driver_clock_or_random_source_in_its_tree() {
        for package in IMPURE {
            assert!(
                plant("projection", package)
                    .contains(&format!("projection: is pure, but {package} is in its tree")),
                "{package} went unseen"
            );
        }
    }

    #[test]
    fn a_driver_is_known_to_its_keepers_alone() {
        assert!(plant("kafka", "sqlx")[0].starts_with("kafka: only outbox, event-store"));
    }

    #[test]
    fn the_test_kit_is_no_normal_dependency() {
        assert!(
            plant("kafka", "testkit")
                .contains(&"kafka: testkit is for tests, name it under dev-dependencies".to_owned())
        );
    }

    #[test]
    fn a_crate_is_named_as_its_folder() {
        let mut members = workspace();
        members.insert("odd".to_owned(), Member { folder: "schemas/even".to_owned(), ..Member::default() });
        assert_eq!(violations(&members), ["odd: lies in schemas/even, a crate is named as its folder"]);
    }
}
