//! One data subject is erased, and nobody else.

use event_store::EventStore;
use personal_data::{ERASED, Keyring, MasterKeys, Place};

use crate::fixture::{World, deed, subject, tenant};

async fn read(world: &World, keyring: &Keyring, of: &str, aggregate_id: events::AggregateId) -> Vec<String> {
    let tenant = tenant(of);
    let mut names = vec![];
    for event in world.store.load(&tenant, aggregate_id, 0).await.unwrap() {
        let mut name = String::from_utf8(event.payload[6..].to_vec()).unwrap();
        let place = Place { tenant: &tenant, aggregate_id, event_id: event.event_id };
        keyring.open(place, [("name", &mut name)]).await.unwrap();
        names.push(name);
    }
    names
}

#[tokio::test]
async fn an_erased_subject_is_unreadable_everywhere_and_its_events_still_count() {
    let world = World::new().await;
    let keyring = world.keyring(MasterKeys::random("one"));
    let acme = tenant("acme");
    let ada = world.greet(&keyring, &acme, "ada", 2).await;
    let eve = world.greet(&keyring, &acme, "eve", 1).await;
    let other = world.greet(&keyring, &tenant("other"), "ada", 1).await;
    assert_eq!(read(&world, &keyring, "acme", ada).await, ["ada in person", "ada in person"]);

    let preview = world.steward.preview_erasure(&acme, &subject("ada")).await.unwrap();
    assert_eq!(read(&world, &keyring, "acme", ada).await[0], "ada in person", "a preview changes nothing");
    assert!(!preview.was_erased);
    let [unreadable] = &preview.unreadable[..] else { panic!("{preview:?}") };
    assert_eq!((unreadable.aggregate_id, unreadable.events, unreadable.texts), (ada.0, 2, 2));
    assert_eq!((unreadable.first_version, unreadable.last_version), (1, 2));
    assert_eq!(unreadable.fields, ["name"]);

    let others = world.rows("other").await;
    let erasure = world.steward.erase_subject(&acme, &subject("ada"), &deed()).await.unwrap();
    assert_eq!(erasure, preview, "it does what it said");
    assert_eq!(erasure.aggregates(), [ada]);
    assert_eq!(read(&world, &keyring, "acme", ada).await, [ERASED, ERASED]);
    assert_eq!(read(&world, &keyring, "acme", eve).await, ["eve in person"]);
    assert_eq!(read(&world, &keyring, "other", other).await, ["ada in person"], "another tenant's ada");
    assert_eq!(world.rows("other").await, others);

    let again = world.steward.erase_subject(&acme, &subject("ada"), &deed()).await.unwrap();
    assert!(again.was_erased);
    assert_eq!(again.unreadable, erasure.unreadable, "it still tells what it made unreadable");
    let mut owner = world.connect("owner", "acme").await;
    let audits: Vec<(String, String, String, serde_json::Value)> =
        sqlx::query_as("select action, actor, reason, details from store_audit")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    let [(action, actor, reason, details)] = &audits[..] else { panic!("{audits:?}") };
    assert_eq!((action.as_str(), actor.as_str(), reason.as_str()), ("erase-subject", "a person", "because"));
    assert_eq!((details["events"].as_i64(), details["subject"].as_str()), (Some(2), Some("ada")));
}

#[tokio::test]
async fn nobody_reads_a_name_in_the_database() {
    let world = World::new().await;
    let keyring = world.keyring(MasterKeys::random("one"));
    world.greet(&keyring, &tenant("acme"), "ada", 1).await;
    let rows = world.rows("acme").await;
    assert!(rows.iter().any(|row| row.starts_with("event_store") && row.contains("enc:v1:")), "{rows:?}");
    let hex: String = "in person".bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(!rows.iter().any(|row| row.contains("in person") || row.contains(&hex)), "{rows:?}");
}

#[tokio::test]
async fn erasing_somebody_unknown_does_nothing_and_says_so() {
    let world = World::new().await;
    let erasure = world.steward.erase_subject(&tenant("acme"), &subject("nobody"), &deed()).await.unwrap();
    assert!(erasure.keys.is_empty() && erasure.unreadable.is_empty());
    assert!(world.rows("acme").await.is_empty(), "not even an audit");
}
