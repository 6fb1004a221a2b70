//! What a policy finds due.

use life_cycle::Policy;

use crate::fixture::{World, tenant};

#[tokio::test]
async fn streams_that_are_over_and_quiet_are_due_up_to_the_event_before_their_last() {
    let world = World::new().await;
    let acme = tenant("acme");
    let over = world.stream(&acme, &["Began", "Went", "Ended"]).await;
    world.stream(&acme, &["Began", "Went"]).await;
    world.stream(&acme, &["Ended"]).await;
    let policy = |days: u32, aggregate_type: &str| {
        let text = format!("archive: {{ {aggregate_type}: {{ quiet_days: {days}, over_with: [Ended] }} }}");
        Policy::parse(&text).unwrap()
    };
    let due = world.steward.due_for_archive(&policy(0, "thing"), 10).await.unwrap();
    let [due] = &due[..] else { panic!("{due:?}") };
    assert_eq!((due.aggregate_id, due.from_version, due.to_version), (over, 1, 2));
    assert_eq!(due.tenant, acme);
    for elsewhere in [policy(1, "thing"), policy(0, "other")] {
        assert_eq!(world.steward.due_for_archive(&elsewhere, 10).await.unwrap(), []);
    }
}
