//! The master key changes; no event does.

use personal_data::{MasterKeys, Place};

use crate::fixture::{World, deed, subject, tenant};

const OLD: &str = "old:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "new://///wQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[tokio::test]
async fn after_a_rotation_the_old_master_key_can_be_thrown_away() {
    let world = World::new().await;
    let old = world.keyring(MasterKeys::parse(OLD).unwrap());
    let place = |tenant| Place {
        tenant,
        aggregate_id: events::AggregateId(uuid::Uuid::nil()),
        event_id: events::EventId(uuid::Uuid::nil()),
    };
    let (acme, other) = (tenant("acme"), tenant("other"));
    let mut texts = vec![];
    for (tenant, who) in [(&acme, "ada"), (&acme, "eve"), (&other, "ada")] {
        let mut text = who.to_owned();
        let key = old.key_of(tenant, &subject(who)).await.unwrap();
        key.seal(place(tenant), [("name", &mut text)]).unwrap();
        texts.push((tenant, who, text));
    }
    world.steward.erase_subject(&acme, &subject("eve"), &deed()).await.unwrap();

    let both = MasterKeys::parse(&format!("{NEW}\n{OLD}")).unwrap();
    assert_eq!(world.steward.rotate_keys(&both, &deed()).await.unwrap().keys, 2, "one is destroyed");
    assert_eq!(
        world.steward.rotate_keys(&both, &deed()).await.unwrap().keys,
        0,
        "again, nothing is left to do"
    );

    let new = world.keyring(MasterKeys::parse(NEW).unwrap());
    for (tenant, who, mut text) in texts {
        new.open(place(tenant), [("name", &mut text)]).await.unwrap();
        assert_eq!(text, if who == "eve" { personal_data::ERASED } else { who });
    }
    let refused = old.key_of(&acme, &subject("ada")).await.unwrap_err();
    assert!(matches!(refused, personal_data::Error::UnknownMasterKey { .. }), "{refused}");
}

#[tokio::test]
async fn a_rotation_that_lacks_the_old_master_key_names_whose_keys_it_cannot_open() {
    let world = World::new().await;
    world.keyring(MasterKeys::parse(OLD).unwrap()).key_of(&tenant("acme"), &subject("ada")).await.unwrap();
    let refused = world.steward.rotate_keys(&MasterKeys::parse(NEW).unwrap(), &deed()).await.unwrap_err();
    assert!(refused.to_string().contains("acme"), "{refused}");
}
