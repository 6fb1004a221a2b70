//! A plan file is carried out as it was looked at, or not at all.

use catalog::{KafkaAdmin, KafkaError, Manifest, Permits, PlanFile, PlanFileError};
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};

use crate::{admin, apply, config, manifest, observed, passwords, plain_admin, without_rules};

async fn planned(manifest: &Manifest) -> PlanFile {
    let file = PlanFile::new(manifest, &observed(manifest).await, &Permits::default());
    PlanFile::parse(&file.to_json()).unwrap()
}

async fn carried_out(manifest: &Manifest, file: &PlanFile) -> Result<usize, KafkaError> {
    let passwords = passwords(manifest, "a password");
    admin().apply_file(manifest, file, &passwords).await.map(|plan| plan.steps.len())
}

#[tokio::test]
async fn a_plan_is_carried_out_once() {
    let manifest = manifest(&testkit::unique("planned"), 1, "2h");
    let file = planned(&manifest).await;
    assert_eq!(carried_out(&manifest, &file).await.unwrap(), 6);
    let error = carried_out(&manifest, &file).await.unwrap_err().to_string();
    assert!(error.contains(&format!("topic {} is new", manifest.topics[0].name)), "{error}");
    without_rules(&manifest).await;
}

#[tokio::test]
async fn a_plan_is_refused_once_the_cluster_has_moved_and_the_message_says_what_moved() {
    let name = testkit::unique("moved");
    apply(&manifest(&name, 1, "2h")).await;
    let longer = manifest(&name, 1, "3h");
    let file = planned(&longer).await;

    let by_hand = AlterConfig::new(ResourceSpecifier::Topic(&name)).set("retention.ms", "1000");
    plain_admin().alter_configs(&[by_hand], &AdminOptions::new()).await.unwrap();
    let shown = async || observed(&longer).await.topics[&name].settings["retention.ms"] == "1000";
    testkit::eventually("the change shows", std::time::Duration::from_secs(15), shown).await;

    let error = carried_out(&longer, &file).await.unwrap_err();
    assert!(matches!(error, KafkaError::PlanFile(PlanFileError::Moved(_))), "{error}");
    let error = error.to_string();
    assert!(error.contains(&name) && error.contains("=7200000") && error.contains("=1000"), "{error}");
    assert_eq!(observed(&longer).await.topics[&name].settings["retention.ms"], "1000", "nothing was done");
    without_rules(&longer).await;
}

#[tokio::test]
async fn a_plan_of_another_manifest_is_refused() {
    let name = testkit::unique("reworded");
    let file = planned(&manifest(&name, 1, "2h")).await;
    let error = carried_out(&manifest(&name, 1, "3h"), &file).await.unwrap_err();
    assert!(matches!(error, KafkaError::PlanFile(PlanFileError::OtherManifest)), "{error}");
    assert!(observed(&manifest(&name, 1, "3h")).await.topics.is_empty());
}

#[tokio::test]
async fn another_cluster_than_the_one_that_was_meant_is_left_alone() {
    let manifest = manifest(&testkit::unique("elsewhere"), 1, "2h");
    let id = testkit::stack().get("MILLRACE_KAFKA_CLUSTER_ID");
    let meant = |id: &str| {
        let mut config = config();
        config.cluster_id = Some(id.to_owned());
        KafkaAdmin::new(&config).unwrap()
    };
    assert_eq!(meant(id).observe(&manifest).await.unwrap().id, id);

    let (none, passwords) = (Permits::default(), passwords(&manifest, "a password"));
    let error = meant("bm90LXRoaXMtb25lIQ").apply(&manifest, &none, &passwords).await.unwrap_err();
    assert!(matches!(error, KafkaError::WrongCluster { .. }), "{error}");
    assert!(error.to_string().contains(id), "{error}");

    let elsewhere = catalog::Cluster { id: "bm90LXRoaXMtb25lIQ".to_owned(), ..observed(&manifest).await };
    let error = carried_out(&manifest, &PlanFile::new(&manifest, &elsewhere, &none)).await.unwrap_err();
    assert!(matches!(error, KafkaError::PlanFile(PlanFileError::OtherCluster { .. })), "{error}");
    assert!(observed(&manifest).await.topics.is_empty());
}
