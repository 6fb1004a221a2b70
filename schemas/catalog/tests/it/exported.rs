//! What a cluster has is told as a manifest, and that manifest asks for nothing.

use catalog::{Manifest, Permits, export, plan};

use crate::{admin, apply, manifest, observed, without_rules};

#[tokio::test]
async fn what_is_exported_plans_to_nothing_and_says_what_was_declared() {
    let name = testkit::unique("exported");
    let declared = manifest(&name, 3, "90m");
    apply(&declared).await;
    let text = export(&admin().observe_prefix(&name).await.unwrap(), &name).to_yaml();
    let exported = Manifest::parse(&text, "exported").unwrap();
    let left = plan(&exported, &observed(&exported).await, &Permits::default());
    assert!(left.is_empty(), "{text}\n{left:?}");
    assert_eq!(exported.acls(), declared.acls());
    let topic = &exported.topics[0];
    assert_eq!((topic.partitions, topic.retention), (3, declared.topics[0].retention));
    without_rules(&declared).await;
}

#[tokio::test]
async fn the_reference_domain_is_exported_whole() {
    let committed = Manifest::committed();
    apply(&committed).await;
    let exported = export(&admin().observe_prefix("agents.").await.unwrap(), "agents.");
    for topic in committed.topics.iter().filter(|topic| topic.name.starts_with("agents.")) {
        let found = exported.manifest.topic(&topic.name).unwrap();
        assert_eq!(found.settings(1), topic.settings(1));
        assert_eq!(found.partitions, topic.partitions);
    }
    for user in committed.users.iter().filter(|user| !user.reads.is_empty()) {
        let mut found = exported.manifest.user(&user.name).unwrap().acls();
        let mut declared = user.acls();
        found.sort();
        declared.sort();
        assert_eq!(found, declared);
    }
}
