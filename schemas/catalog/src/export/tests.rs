use super::*;
use crate::{Permits, plan};

fn rule(user: &str, operation: Operation, resource: Resource, pattern: Pattern, name: &str) -> Acl {
    Acl::allow(user, operation, resource, pattern, name)
}

fn state(settings: &[(&str, &str)]) -> TopicState {
    let defaults = [
        ("cleanup.policy", "delete"),
        ("retention.ms", "604800000"),
        ("message.timestamp.type", "CreateTime"),
        ("min.insync.replicas", "1"),
    ];
    let settings = defaults.iter().chain(settings).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    TopicState { partitions: 3, replicas: 1, settings: settings.collect() }
}

fn cluster() -> Cluster {
    let topics = [
        ("shop.a", state(&[("retention.ms", "12345"), ("message.timestamp.type", "LogAppendTime")])),
        ("shop.b", state(&[("cleanup.policy", "compact,delete"), ("retention.ms", "-1")])),
        ("shop.null", state(&[("retention.ms", "0")])),
        ("bank.c", state(&[])),
    ];
    Cluster {
        topics: topics.into_iter().map(|(name, state)| (name.to_owned(), state)).collect(),
        acls: [
            rule("shop-writer", Operation::Write, Resource::Topic, Pattern::Prefixed, "shop."),
            rule("1e3", Operation::Read, Resource::Topic, Pattern::Literal, "shop.a"),
            rule("1e3", Operation::Read, Resource::Group, Pattern::Prefixed, "true"),
            rule("1e3", Operation::DescribeConfigs, Resource::Topic, Pattern::Literal, "bank.c"),
            rule("shop-king", Operation::All, Resource::Topic, Pattern::Prefixed, "shop."),
            rule("shop-god", Operation::Read, Resource::Topic, Pattern::Literal, "*"),
            rule("shop-nobody", Operation::Read, Resource::Topic, Pattern::Literal, "shop.a"),
            rule("banker", Operation::Read, Resource::Topic, Pattern::Literal, "bank.c"),
        ]
        .into(),
        users: ["shop-writer", "1e3", "shop-king", "shop-god", "shop-idle", "banker"]
            .map(str::to_owned)
            .into(),
        ..Cluster::empty(1)
    }
}

#[test]
fn what_is_exported_is_a_manifest_that_plans_to_nothing() {
    let exported = export(&cluster(), "shop");
    let manifest = Manifest::parse(&exported.to_yaml(), "exported").unwrap();
    assert_eq!(manifest, exported.manifest);
    let plan = plan(&manifest, &cluster(), &Permits::default());
    assert!(plan.is_empty(), "{plan:?}");
    let names: Vec<_> = manifest.topics.iter().map(|topic| topic.name.as_str()).collect();
    assert_eq!(names, ["shop.a", "shop.b"]);
    let names: Vec<_> = manifest.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["1e3", "shop-idle", "shop-writer"]);
}

#[test]
fn what_a_manifest_cannot_say_is_left_out_and_named() {
    let exported = export(&cluster(), "shop");
    assert_eq!(
        exported.left_out,
        [
            "topic shop.null: its retention.ms is \"0\"",
            "user shop-god: a manifest has no words for 'User:shop-god may Read topic *'",
            "user shop-king: a manifest has no words for 'User:shop-king may All topic shop.*'",
            "user shop-nobody: it has rules, but no password to log in with",
        ]
    );
    assert!(exported.to_yaml().contains("# Left out: topic shop.null"));
}

#[test]
fn nothing_at_all_is_a_manifest_too() {
    let exported = export(&cluster(), "museum");
    let manifest = Manifest::parse(&exported.to_yaml(), "exported").unwrap();
    assert!(manifest.topics.is_empty() && manifest.users.is_empty() && exported.left_out.is_empty());
}
