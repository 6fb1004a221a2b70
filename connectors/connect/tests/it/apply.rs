//! Validated, planned, applied; and the same again.

use connect::Error;

use crate::chain::Chain;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applying_again_changes_nothing_and_a_change_is_shown_first() {
    let mut chain = Chain::new().await;
    let plan = chain.client.plan(&chain.connector).await.unwrap();
    assert!(plan.is_new && !plan.is_empty());
    assert!(chain.apply().await.unwrap().plan.is_new);
    let before = chain.client.status(&chain.connector.name).await.unwrap().expect("it was applied");

    let again = chain.apply().await.unwrap();
    assert!(again.plan.is_empty(), "{}", again.plan);
    assert_eq!(again.status, before);

    chain.connector = chain.connector.clone().with("max.batch.size", "4096");
    let plan = chain.client.plan(&chain.connector).await.unwrap();
    let shown = format!(
        "connector {} differs in 1 settings\n  - max.batch.size = 8192\n  + max.batch.size = 4096\n",
        chain.connector.name
    );
    assert_eq!(plan.to_string(), shown);
    assert_eq!(chain.apply().await.unwrap().plan, plan);
    assert!(chain.client.plan(&chain.connector).await.unwrap().is_empty());

    // An operator's stop ends with the next apply.
    chain.client.stop(&chain.connector.name).await.unwrap();
    assert!(chain.apply().await.unwrap().status.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_named_by_setting_and_nothing_is_changed() {
    let mut chain = Chain::new().await;
    chain.connector = chain
        .connector
        .clone()
        .with("snapshot.mode", "sometimes")
        .with("max.batch.size", "many")
        .with("producer.override.linger.ms", "5");
    let Err(Error::Invalid { fields, .. }) = chain.apply().await else { panic!("it should be refused") };
    let named: Vec<&str> = fields.iter().map(|field| field.field.as_str()).collect();
    for setting in ["snapshot.mode", "max.batch.size", "producer.override.linger.ms"] {
        assert!(named.contains(&setting), "{setting} is not in {fields:?}");
    }
    assert_eq!(chain.client.status(&chain.connector.name).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_let_it_in_is_a_mistake_without_the_password() {
    let mut chain = Chain::new().await;
    chain.connector = chain.connector.clone().with("database.password", "wrong-and-secret");
    let Err(error @ Error::Invalid { .. }) = chain.apply().await else { panic!("it should be refused") };
    assert!(!error.to_string().contains("wrong-and-secret"), "{error}");
}
