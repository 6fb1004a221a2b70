use proptest::prelude::*;

use super::*;
use crate::{Operation, Pattern, Resource};

/// The cluster after a plan's steps, if each does what it says.
fn carried_out(plan: &Plan, mut cluster: Cluster) -> Cluster {
    for step in &plan.steps {
        match step.clone() {
            Step::CreateTopic { name, partitions, replicas, settings } => {
                let settings: BTreeMap<_, _> = settings.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
                let overridden = settings.keys().cloned().collect();
                cluster.topics.insert(name, TopicState { partitions, replicas, settings, overridden });
            }
            Step::Set { topic, setting, to, .. } => {
                cluster.topics.get_mut(&topic).unwrap().settings.insert(setting.to_owned(), to);
            }
            Step::Grant(acl) => assert!(cluster.acls.insert(acl)),
            Step::Revoke(acl) => assert!(cluster.acls.remove(&acl)),
        }
    }
    cluster
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
    assert_eq!(plan.steps.len(), manifest.topics.len() + manifest.acls().len());
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
        assert_eq!(plan.unchanged, manifest.topics.len() + manifest.acls().len());
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

proptest! {
    #[test]
    fn whatever_is_missing_is_put_back_and_then_nothing_is_left_to_do(
        brokers in 1_u32..6,
        topics in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
        rules in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
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
        for n in 0..strangers {
            cluster.acls.insert(Acl { host: format!("10.0.0.{n}"), ..rule("connect") });
        }
        let manifest = Manifest::committed();
        let after = carried_out(&plan(&manifest, &cluster), cluster);
        prop_assert_eq!(&after, &applied(brokers));
        prop_assert!(plan(&manifest, &after).is_empty());
    }
}
