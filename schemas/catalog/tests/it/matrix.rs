//! Everything that every declared user could try, against what the manifest says: user by operation by topic, and
//! user by group. The expectations are read from the declarations, not from the rules that are made from them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Manifest, NamePattern, Pattern, User};
use rdkafka::error::RDKafkaErrorCode as Code;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::attempts::Attempt::{
    self, CreateTopic, DeleteTopic, DescribeConfigs, Fetch, Join, Offsets, ProduceInVain,
};
use crate::attempts::{alter, attempt};
use crate::{admin, apply};

const AT_ONCE: usize = 8;

fn any(patterns: &[NamePattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

/// Each declared topic, one that only a prefix declares, and one that nobody does.
async fn topics(manifest: &Manifest) -> Vec<String> {
    let declared = manifest.topics.iter().map(|topic| topic.name.clone());
    let more = [testkit::topic("agents.matrix.events", 1).await, testkit::topic("elsewhere", 1).await];
    declared.chain(more).collect()
}

/// Each declared group, a new one for each declared prefix, and one that nobody declares.
fn groups(manifest: &Manifest) -> BTreeSet<String> {
    let patterns = manifest.users.iter().flat_map(|user| &user.groups);
    let named = patterns.map(|pattern| match pattern.pattern {
        Pattern::Literal => pattern.text.clone(),
        Pattern::Prefixed => testkit::unique(pattern.text.trim_end_matches('-')),
    });
    named.chain([testkit::unique("nobodys")]).collect()
}

fn on_topic(user: &User, topic: &str) -> [(Attempt, bool); 5] {
    let name = || topic.to_owned();
    [
        (ProduceInVain(name()), any(&user.writes, topic)),
        (Fetch(name()), any(&user.reads, topic)),
        (DescribeConfigs(name()), any(&user.describes_configs, topic)),
        (CreateTopic(name()), false), // nobody but the administrator
        (DeleteTopic(name()), false),
    ]
}

/// A new member would disturb a group of a fixed name, so whoever may be one only looks at its offsets.
fn on_group(user: &User, group: &str, manifest: &Manifest) -> (Attempt, bool) {
    let fixed = |it: &NamePattern| it.pattern == Pattern::Literal && it.text == group;
    if user.groups.iter().any(fixed) {
        return (Offsets(group.to_owned()), true);
    }
    let read = manifest.topics.iter().find(|topic| any(&user.reads, &topic.name));
    let topic = read.map_or("elsewhere", |topic| &topic.name);
    (Join(group.to_owned(), topic.to_owned()), any(&user.groups, group))
}

/// What went otherwise than declared.
async fn surprise(user: String, what: Attempt, may: bool) -> Option<String> {
    let refusals: &[_] = match what {
        Join(..) | Offsets(_) => &[Code::GroupAuthorizationFailed],
        _ => &[Code::TopicAuthorizationFailed],
    };
    match (attempt(&user, &what).await, may) {
        (Ok(()), true) => None,
        (Err(code), false) if refusals.contains(&code) => None,
        (outcome, true) => Some(format!("{user} must be able to {what:?}, but {outcome:?}")),
        (outcome, false) => Some(format!("{user} must not be able to {what:?}, but {outcome:?}")),
    }
}

#[tokio::test]
async fn every_user_can_do_what_the_manifest_says_and_nothing_else() {
    let manifest = Manifest::committed();
    apply(&manifest).await;
    let (topics, groups) = (topics(&manifest).await, groups(&manifest));
    let mut cases = Vec::new();
    for user in &manifest.users {
        let on_topics = topics.iter().flat_map(|topic| on_topic(user, topic));
        let on_groups = groups.iter().map(|group| on_group(user, group, &manifest));
        cases.extend(on_topics.chain(on_groups).map(|(what, may)| (user.name.clone(), what, may)));
    }
    assert_eq!(cases.len(), manifest.users.len() * (5 * topics.len() + groups.len()));

    let (places, mut tried) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (user, what, may) in cases {
        let places = Arc::clone(&places);
        tried.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            surprise(user, what, may).await
        });
    }
    let surprises: Vec<_> = tried.join_all().await.into_iter().flatten().collect();
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// Metadata come to a broker in order: once the last change shows, so would every one before it.
#[tokio::test]
async fn no_user_of_the_manifest_can_change_the_settings_of_a_topic() {
    const SEGMENT: &str = "1000000007";
    let manifest = Manifest::committed();
    apply(&manifest).await;
    let topics = topics(&manifest).await;
    for user in &manifest.users {
        for topic in &topics {
            alter(&user.name, topic, SEGMENT).await;
        }
    }
    let last = testkit::topic("settings", 1).await;
    alter("admin", &last, SEGMENT).await;
    let all = async || admin().observe_prefix("").await.unwrap().topics;
    let changed = async |topic: &String| all().await[topic].settings["segment.bytes"] == SEGMENT;
    testkit::eventually("the administrator's change shows", Duration::from_secs(15), async || {
        changed(&last).await
    })
    .await;
    let shown = all().await;
    let touched: Vec<_> =
        topics.iter().filter(|topic| shown[*topic].settings["segment.bytes"] == SEGMENT).collect();
    assert!(touched.is_empty(), "{touched:?}");
}
