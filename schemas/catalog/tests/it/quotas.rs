//! Quotas of users, through Kafka's own program.

use catalog::{KafkaAdmin, KafkaError, Manifest, Permits, Quotas};

use crate::{config, manifest, passwords, permitted, without_rules};

#[tokio::test]
async fn quotas_come_to_be_as_declared_and_those_of_others_are_left_alone() {
    let mut manifest = manifest(&testkit::unique("limited"), 1, "2h");
    permitted(&manifest, Permits::default()).await.unwrap();
    manifest.users[0].quotas =
        Some(Quotas { produce_bytes_s: Some(1_048_576), request_percent: Some(50), ..Quotas::default() });
    let without_program = permitted(&manifest, Permits::default()).await.unwrap_err();
    assert!(matches!(without_program, KafkaError::NoConfigsProgram), "{without_program}");

    let mut config = config();
    config.kafka_configs = Some(testkit::stack().get("MILLRACE_KAFKA_CONFIGS").into());
    let admin = KafkaAdmin::new(&config).unwrap();
    let apply = async |manifest: &Manifest| {
        let done =
            admin.apply(manifest, &Permits::default(), &passwords(manifest, "none is new")).await.unwrap();
        done.steps.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let user = manifest.users[0].name.clone();
    assert_eq!(
        apply(&manifest).await,
        [
            format!("set producer_byte_rate of user {user} from no limit to 1048576"),
            format!("set request_percentage of user {user} from no limit to 50"),
        ]
    );
    manifest.users[0].quotas =
        Some(Quotas { fetch_bytes_s: Some(2_000), request_percent: Some(50), ..Quotas::default() });
    assert_eq!(
        apply(&manifest).await,
        [
            format!("set consumer_byte_rate of user {user} from no limit to 2000"),
            format!("set producer_byte_rate of user {user} from 1048576 to no limit"),
        ]
    );
    assert_eq!(admin.observe(&manifest).await.unwrap().quotas[&user].len(), 2);
    manifest.users[0].quotas = Some(Quotas::default());
    assert_eq!(apply(&manifest).await.len(), 2, "both are gone");
    manifest.users[0].quotas = None;
    without_rules(&manifest).await;
}
