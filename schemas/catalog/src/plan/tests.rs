use proptest::prelude::*;

use super::*;
use crate::{Operation, Pattern, Quotas, Resource, TopicState};

/// The cluster after a plan's steps, if each does what it says.
fn carried_out(plan: &Plan, mut cluster: Cluster) -> Cluster {
    for step in &plan.steps {
        match step.clone() {
            Step::CreateTopic { name, partitions, replicas, settings } => {
                let settings: BTreeMap<_, _> = settings.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
                cluster.topics.insert(name, TopicState { partitions, replicas, settings });
            }
            Step::Set { topic, setting, to, .. } => {
                cluster.topics.get_mut(&topic).unwrap().settings.insert(setting.to_owned(), to);
            }
            Step::GrowTopic { topic, to, .. } => cluster.topics.get_mut(&topic).unwrap().partitions = to,
            Step::CreateUser { user } => assert!(cluster.users.insert(user)),
            Step::Limit { user, quota, from, to } => {
                let quotas = cluster.quotas.entry(user).or_default();
                let before = match to {
                    Some(to) => quotas.insert(quota.to_owned(), to),
                    None => quotas.remove(quota),
                };
                assert_eq!(before, from);
            }
            Step::RotatePassword { user } => assert!(cluster.users.contains(&user)),
            Step::DeleteTopic { name } => assert!(cluster.topics.remove(&name).is_some()),
            Step::Grant(acl) => assert!(cluster.acls.insert(acl)),
            Step::Revoke(acl) => assert!(cluster.acls.remove(&acl)),
        }
    }
    cluster
}

/// The plan without any permit.
fn plan(manifest: &Manifest, cluster: &Cluster) -> Plan {
    super::plan(manifest, cluster, &Permits::default())
}

fn all(manifest: &Manifest) -> usize {
    manifest.topics.len() + manifest.users.len() + manifest.acls().len()
}

fn applied(brokers: u32) -> Cluster {
    let empty = Cluster::empty(brokers);
    carried_out(&plan(&Manifest::committed(), &empty), empty)
}

fn rule(user: &str) -> Acl {
    Acl::allow(user, Operation::Write, Resource::Topic, Pattern::Prefixed, "agents.")
}

#[test]
fn an_empty_cluster_gets_everything() {
    let manifest = Manifest::committed();
    let plan = plan(&manifest, &Cluster::empty(1));
    assert_eq!(plan.steps.len(), all(&manifest));
    assert_eq!(
        plan.steps[0].to_string(),
        "create topic agents.execution.events with 12 partitions of 1, cleanup.policy=delete, \
         message.timestamp.type=LogAppendTime, min.insync.replicas=1, retention.ms=2592000000"
    );
}

#[test]
fn a_cluster_as_declared_needs_nothing() {
    for brokers in [1, 2, 3, 5] {
        let plan = plan(&Manifest::committed(), &applied(brokers));
        assert!(plan.is_empty(), "{plan:?}");
        let manifest = Manifest::committed();
        assert_eq!(plan.unchanged, all(&manifest));
    }
}

#[test]
fn a_setting_that_drifted_is_set_back_and_others_are_left_alone() {
    let mut cluster = applied(1);
    let topic = cluster.topics.get_mut("agents.execution.events").unwrap();
    topic.settings.insert("retention.ms".into(), "1000".into());
    topic.settings.insert("segment.bytes".into(), "1048576".into());
    let plan = plan(&Manifest::committed(), &cluster);
    assert_eq!(
        plan.steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["set retention.ms of topic agents.execution.events from 1000 to 2592000000"]
    );
}

#[test]
fn another_number_of_partitions_is_refused_both_ways() {
    for found in [6, 24] {
        let mut cluster = applied(1);
        cluster.topics.get_mut("agents.execution.events").unwrap().partitions = found;
        let plan = plan(&Manifest::committed(), &cluster);
        let topic = "agents.execution.events".to_owned();
        assert_eq!(plan.refusals, [Refusal::Partitions { topic, declared: 12, found }]);
        assert!(plan.steps.is_empty());
    }
}

#[test]
fn too_few_replicas_are_refused_and_more_are_fine() {
    let mut cluster = applied(3);
    cluster.topics.get_mut("agents.execution.events").unwrap().replicas = 1;
    cluster.topics.get_mut("_connect_offsets").unwrap().replicas = 5;
    let plan = plan(&Manifest::committed(), &cluster);
    assert_eq!(plan.refusals.len(), 1);
    assert!(plan.refusals[0].to_string().contains("has 1 replicas, not 3"));
}

#[test]
fn topics_and_users_that_are_not_declared_are_left_alone() {
    let mut cluster = applied(1);
    cluster.topics.insert("somebody.elses".into(), TopicState::default());
    cluster.acls.insert(rule("somebody"));
    assert!(plan(&Manifest::committed(), &cluster).is_empty());
}

#[test]
fn a_rule_too_many_of_a_declared_user_is_revoked() {
    let mut cluster = applied(1);
    cluster.acls.insert(rule("projector"));
    let plan = plan(&Manifest::committed(), &cluster);
    assert_eq!(plan.steps, [Step::Revoke(rule("projector"))]);
    assert_eq!(plan.steps[0].to_string(), "revoke: User:projector may Write topic agents.*");
}

const SMALL: &str = "
topics:
  - {name: keyed, purpose: p, owner: o, key: k, partitions: 4, partitions_reason: r, replicas: 1,
     min_in_sync_replicas: 1, retention: 2d, consumers: []}
  - {name: loose, purpose: p, owner: o, partitions: 4, partitions_reason: r, replicas: 1,
     min_in_sync_replicas: 1, retention: 2d, consumers: []}
users:
  - {name: ada, purpose: p}
retired:
  - {name: old, reason: replaced by keyed}
";

fn small() -> (Manifest, Cluster) {
    let (manifest, empty) = (Manifest::parse(SMALL, "m").unwrap(), Cluster::empty(1));
    let mut cluster = carried_out(&plan(&manifest, &empty), empty);
    cluster.topics.insert("old".into(), TopicState::default());
    (manifest, cluster)
}

fn permits(set: impl FnOnce(&mut Permits)) -> Permits {
    let mut permits = Permits::default();
    set(&mut permits);
    permits
}

#[test]
fn only_a_topic_without_keys_grows_by_itself() {
    let (manifest, mut cluster) = small();
    for topic in ["keyed", "loose"] {
        cluster.topics.get_mut(topic).unwrap().partitions = 2;
    }
    let unasked = plan(&manifest, &cluster);
    assert_eq!(unasked.steps, [Step::GrowTopic { topic: "loose".into(), from: 2, to: 4 }]);
    assert!(unasked.refusals[0].to_string().ends_with("accept it with --grow-keyed keyed"), "{unasked:?}");
    let asked = super::plan(&manifest, &cluster, &permits(|it| it.grow_keyed = vec!["keyed".into()]));
    assert!(asked.refusals.is_empty());
    assert_eq!(asked.steps[0].to_string(), "grow topic keyed from 2 to 4 partitions");
}

#[test]
fn partitions_are_never_removed_whatever_is_permitted() {
    let (manifest, mut cluster) = small();
    cluster.topics.get_mut("loose").unwrap().partitions = 8;
    let plan = super::plan(&manifest, &cluster, &permits(|it| it.grow_keyed = vec!["loose".into()]));
    assert!(plan.refusals[0].to_string().contains("never removed") && plan.steps.is_empty(), "{plan:?}");
}

#[test]
fn what_keeps_less_needs_a_permit_and_what_keeps_more_needs_none() {
    const TWO_DAYS: &str = "172800000";
    for (cleanup, retention, needs_permit) in [
        ("delete", "172800001", true),
        ("delete", "-1", true),
        ("delete", "172799999", false),
        ("compact", TWO_DAYS, true), // the newest of each key would go by age
        ("compact,delete", TWO_DAYS, false),
        ("compact,delete", "-1", true),
    ] {
        let (manifest, mut cluster) = small();
        let settings = &mut cluster.topics.get_mut("keyed").unwrap().settings;
        settings.insert("cleanup.policy".into(), cleanup.into());
        settings.insert("retention.ms".into(), retention.into());
        let unasked = plan(&manifest, &cluster);
        assert_eq!(unasked.refusals.len(), usize::from(needs_permit), "{cleanup} {retention}: {unasked:?}");
        let asked =
            super::plan(&manifest, &cluster, &permits(|it| it.shrink_retention = vec!["keyed".into()]));
        assert!(asked.refusals.is_empty() && !asked.steps.is_empty(), "{cleanup} {retention}: {asked:?}");
    }
}

#[test]
fn to_compact_what_was_not_compacted_needs_a_permit() {
    let manifest = Manifest::parse(&SMALL.replacen("2d,", "2d, cleanup: compact,", 1), "m").unwrap();
    let plan = plan(&manifest, &small().1);
    assert_eq!(
        plan.refusals[0].to_string(),
        "topic keyed would keep the newest record of each key forever instead of every record for 2d; \
         --shrink-retention keyed allows it"
    );
}

#[test]
fn a_retired_topic_is_shown_and_goes_when_it_is_named() {
    let (manifest, cluster) = small();
    let unasked = plan(&manifest, &cluster);
    assert!(unasked.is_empty());
    assert_eq!(
        unasked.kept[0].to_string(),
        "topic old is retired (replaced by keyed) and still there; --delete-topic old deletes it"
    );
    let asked = super::plan(&manifest, &cluster, &permits(|it| it.delete_topic = vec!["old".into()]));
    assert_eq!(asked.steps, [Step::DeleteTopic { name: "old".into() }]);
    let gone = carried_out(&asked, cluster);
    assert!(plan(&manifest, &gone).is_empty() && plan(&manifest, &gone).kept.is_empty());
}

#[test]
fn a_permit_for_what_the_manifest_does_not_name_is_refused() {
    let (manifest, cluster) = small();
    let permits = Permits {
        delete_topic: vec!["keyed".into()],
        shrink_retention: vec!["keyd".into()],
        grow_keyed: vec!["old".into()],
        rotate_password: vec!["eve".into()],
    };
    let plan = super::plan(&manifest, &cluster, &permits);
    let refusals: Vec<_> = plan.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        refusals[0],
        "--delete-topic keyed permits nothing: the manifest has no retired topic of that name"
    );
    assert_eq!(refusals.len(), 4, "{refusals:?}");
    assert!(plan.steps.is_empty());
}

#[test]
fn a_user_gets_a_password_once_and_another_when_it_is_named() {
    let (manifest, mut cluster) = small();
    let rotate = permits(|it| it.rotate_password = vec!["ada".into()]);
    let user = || "ada".to_owned();
    assert_eq!(super::plan(&manifest, &cluster, &rotate).steps, [Step::RotatePassword { user: user() }]);
    assert!(super::plan(&manifest, &cluster, &rotate.afterwards()).is_empty());
    cluster.users.clear();
    assert_eq!(super::plan(&manifest, &cluster, &rotate).steps, [Step::CreateUser { user: user() }]);
}

#[test]
fn quotas_are_as_declared_and_left_alone_where_none_are() {
    let (mut manifest, mut cluster) = small();
    cluster.quotas.insert("ada".into(), BTreeMap::from([("request_percentage".into(), 50)]));
    assert!(plan(&manifest, &cluster).is_empty(), "nobody declared any");
    manifest.users[0].quotas = Some(Quotas { produce_bytes_s: Some(1024), ..Quotas::default() });
    let to_do = plan(&manifest, &cluster);
    let told: Vec<_> = to_do.steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "set producer_byte_rate of user ada from no limit to 1024",
            "set request_percentage of user ada from 50 to no limit"
        ]
    );
    assert!(plan(&manifest, &carried_out(&to_do, cluster)).is_empty());
}

proptest! {
    #[test]
    fn whatever_is_missing_is_put_back_and_then_nothing_is_left_to_do(
        brokers in 1_u32..6,
        topics in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
        rules in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
        users in 0_usize..4,
        strangers in 0_usize..3,
    ) {
        let mut cluster = applied(brokers);
        for index in topics {
            if let Some(name) = (!cluster.topics.is_empty()).then(|| index.index(cluster.topics.len())) {
                let name = cluster.topics.keys().nth(name).unwrap().clone();
                cluster.topics.remove(&name);
            }
        }
        for index in rules {
            let acl = cluster.acls.iter().nth(index.index(cluster.acls.len())).unwrap().clone();
            cluster.acls.remove(&acl);
        }
        for user in Manifest::committed().users.iter().take(users) {
            cluster.users.remove(&user.name);
        }
        for n in 0..strangers {
            cluster.acls.insert(Acl { host: format!("10.0.0.{n}"), ..rule("connect") });
        }
        let manifest = Manifest::committed();
        let after = carried_out(&plan(&manifest, &cluster), cluster);
        prop_assert_eq!(&after, &applied(brokers));
        prop_assert!(plan(&manifest, &after).is_empty());
    }
}
