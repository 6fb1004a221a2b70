use events::{DomainEvent, each_event_set};

use super::*;

const MINIMAL: &str = "
topics:
  - name: a.b.events
    purpose: p
    owner: o
    partitions: 12
    partitions_reason: r
    replicas: 3
    min_in_sync_replicas: 2
    retention: 30d
    consumers: []
users:
  - name: reader
    purpose: p
    reads: [a.*]
    groups: [views-*]
";

fn refused(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from}");
    Manifest::parse(&MINIMAL.replacen(from, to, 1), "m.yaml").unwrap_err().to_string()
}

#[test]
fn the_committed_manifest_declares_the_topics_of_the_events() {
    let manifest = Manifest::committed();
    each_event_set!(E => {
        let topic = manifest.topic(E::TOPIC).unwrap();
        assert_eq!((topic.partitions, topic.key.as_deref()), (12, Some("aggregate id")));
        for group in &topic.consumers {
            let dead_letters = manifest.topic(&format!("{group}.dlq")).expect("every group has its dead letters");
            let writer = manifest.users.iter().find(|user| user.name == "dead-letters").unwrap();
            assert!(writer.writes.iter().any(|p| p.matches(&dead_letters.name)));
        }
    });
}

#[test]
fn the_committed_manifest_gives_nobody_more_than_he_needs() {
    let mut rules: Vec<_> = Manifest::committed().acls().iter().map(ToString::to_string).collect();
    rules.sort();
    assert_eq!(
        rules,
        [
            "User:auditor may Read group verify-*",
            "User:auditor may Read topic agents.*",
            "User:auditor may Read topic executions-postgres.dlq",
            "User:auditor may Read topic executions-redis.dlq",
            "User:connect may DescribeConfigs topic _connect_configs",
            "User:connect may DescribeConfigs topic _connect_offsets",
            "User:connect may DescribeConfigs topic _connect_status",
            "User:connect may Read group connect",
            "User:connect may Read topic _connect_configs",
            "User:connect may Read topic _connect_offsets",
            "User:connect may Read topic _connect_status",
            "User:connect may Write topic __debezium-heartbeat.agents",
            "User:connect may Write topic _connect_configs",
            "User:connect may Write topic _connect_offsets",
            "User:connect may Write topic _connect_status",
            "User:connect may Write topic agents.execution.events",
            "User:connect may Write topic agents.prompt.events",
            "User:connect may Write topic agents.workflow.events",
            "User:dead-letters may Write topic executions-postgres.dlq",
            "User:dead-letters may Write topic executions-redis.dlq",
            "User:projector may Read group executions-*",
            "User:projector may Read topic agents.*",
        ]
    );
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let reason = refused("    owner: o\n", "    owner: o\n    retension: 3d\n");
    assert!(
        reason.contains("m.yaml") && reason.contains("retension") && reason.contains("line 6"),
        "{reason}"
    );
    let reason = refused("    groups: [views-*]", "    may_do: everything");
    assert!(reason.contains("may_do") && reason.contains("line 16"), "{reason}");
}

#[test]
fn a_value_that_makes_no_sense_is_refused_with_its_line() {
    for (from, to, word) in [
        ("30d", "soon", "retention"),
        ("partitions: 12", "partitions: many", "line 6"),
        ("[a.*]", "[\"*\"]", "neither a name nor a prefix"),
        ("[a.*]", "[a.*.b]", "neither a name nor a prefix"),
        ("[a.*]", "[a b]", "neither a name nor a prefix"),
    ] {
        let reason = refused(from, to);
        assert!(reason.contains(word) && reason.contains("line"), "{to}: {reason}");
    }
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    for (from, to, word) in [
        ("a.b.events", "a/b", "no name for a topic"),
        ("a.b.events", "..", "no name for a topic"),
        ("partitions: 12", "partitions: 0", "at least one"),
        ("min_in_sync_replicas: 2", "min_in_sync_replicas: 4", "more in-sync replicas"),
        ("consumers: []", "consumers: [others-x]", "no user may read topic a.b.events as group others-x"),
        ("[a.*]", "[b.*]\n  - name: reader\n    purpose: p", "declared twice"),
    ] {
        let reason = refused(from, to);
        assert!(reason.contains(word), "{to}: {reason}");
    }
    let retired = "    groups: [views-*]\nretired:\n  - name: ";
    for (name, word) in [
        ("a.b.events\n    reason: r", "topic a.b.events is declared and retired"),
        ("old\n    reason: r\n  - name: old\n    reason: r", "topic old is retired twice"),
        ("__consumer_offsets\n    reason: r", "no name for a topic that could have been declared"),
        ("old", "missing field `reason`"),
    ] {
        let reason = refused("    groups: [views-*]", &format!("{retired}{name}"));
        assert!(reason.contains(word) && reason.contains("line "), "{name}: {reason}");
    }
    assert!(Manifest::parse(&MINIMAL.replace("consumers: []", "consumers: [views-x]"), "m").is_ok());
}

#[test]
fn a_contradiction_is_said_with_its_line() {
    let twice = "[a.*]\n  - name: reader\n    purpose: p";
    assert_eq!(refused("[a.*]", twice), "m.yaml, line 16: user reader is declared twice");
    let alike = twice.replace("reader", "READER");
    let reason = refused("[a.*]", &alike);
    assert!(
        reason.contains("line 16: users reader and READER would both have their password in"),
        "{reason}"
    );
    assert!(refused("a.b.events", "a/b").starts_with("m.yaml, line 3: \"a/b\" is no name for a topic"));
    assert!(refused("name: reader", "name: r d").contains("line 13: \"r d\" is no name for a user"));
}

#[test]
fn what_is_written_reads_back_the_same() {
    let digest = Manifest::committed().digest();
    assert_eq!(digest.len(), 64);
    assert_ne!(digest, Manifest::parse(MINIMAL, "m").unwrap().digest());
}

#[test]
fn copies_are_as_many_as_there_are_brokers() {
    let topic = &Manifest::parse(MINIMAL, "m").unwrap().topics[0];
    let copies: Vec<_> = (0..5).map(|brokers| topic.copies(brokers)).collect();
    assert_eq!(copies, [(1, 1), (1, 1), (2, 1), (3, 2), (3, 2)]);
    assert_eq!(topic.settings(1)["min.insync.replicas"], "1");
    assert_eq!(topic.settings(3)["retention.ms"], "2592000000");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Manifest::load(Path::new("/no/such/topics.yaml")).unwrap_err();
    assert_eq!(error.to_string(), "/no/such/topics.yaml cannot be read");
}

#[test]
fn manifests_are_taken_together_with_the_rules_of_both() {
    let (one, other) =
        (MINIMAL.to_owned(), MINIMAL.replace("a.b.events", "a.other.events").replace("views-", "others-"));
    let parse = |text: &str| Manifest::parse(text, "m.yaml").unwrap();
    let both = parse(&one).with(parse(&other)).unwrap();
    assert_eq!(both.topics.len(), 2);
    assert_eq!(both.users.len(), 1);
    let expected: BTreeSet<Acl> = parse(&one).acls().union(&parse(&other).acls()).cloned().collect();
    assert_eq!(both.acls(), expected);
    let twice = parse(&one).with(parse(&one)).unwrap_err().to_string();
    assert!(twice.contains("declared twice"), "{twice}");
}
