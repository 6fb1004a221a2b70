//! Each fault of the connector, of its database, of its worker and of its broker, while events are appended.
//!
//! For each the guard raises its alarm, somebody or nobody mends it, and the oracle says that the topics lack nothing. How long
//! that takes is printed, a line for the table of `deploy/runbooks/connect.md`.

mod broker;
mod database;
mod proxy;
mod scene;
mod slot;
mod worker;

use self::scene::Scene;

#[tokio::test]
async fn no_event_is_missing_whatever_happens_to_the_slot() {
    let mut scene = Scene::set("faults-slot", "10").await;
    slot::it_is_dropped_while_the_worker_is_down(&mut scene).await;
    slot::it_is_dropped_and_made_again(&mut scene).await;
    slot::log_is_dropped_that_it_needs(&mut scene).await;
    slot::its_publication_is_altered(&mut scene).await;
    scene.ends().await;
}

#[tokio::test]
async fn no_event_is_missing_whatever_happens_to_the_database() {
    let mut scene = Scene::set("faults-db", "40").await;
    database::postgres_is_killed(&mut scene).await;
    database::others_write_while_the_outbox_is_idle(&mut scene).await;
    database::the_heartbeat_may_not_be_written(&mut scene).await;
    database::the_role_may_not_log_in(&mut scene).await;
    database::the_password_is_rotated(&mut scene).await;
    scene.ends().await;
}

#[tokio::test]
async fn no_event_is_missing_whatever_happens_to_the_worker_and_the_broker() {
    let mut scene = Scene::set("faults-worker", "10").await;
    worker::its_connection_is_half_open(&mut scene).await;
    worker::it_is_killed_again_and_again(&mut scene).await;
    worker::it_is_frozen(&mut scene).await;
    worker::its_offsets_are_forgotten(&mut scene).await;
    worker::its_topic_of_offsets_is_emptied(&mut scene).await;
    worker::a_large_transaction_comes(&mut scene).await;
    broker::its_users_password_is_rotated(&mut scene).await;
    broker::its_disk_is_full(&mut scene).await;
    scene.ends().await;
}
