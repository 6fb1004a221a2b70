use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};

use crate::{stack, unique};

/// Makes a topic of this name and a random suffix, and answers its full name once it exists.
pub async fn topic(prefix: &str, partitions: i32) -> String {
    let name = unique(prefix);
    make(&admin(), &name, partitions).await;
    name
}

/// Deletes a topic with all its records and makes it anew, under the same name.
pub async fn topic_made_anew(name: &str, partitions: i32) {
    let admin = admin();
    for answer in admin.delete_topics(&[name], &options()).await.expect("Kafka answers") {
        answer.unwrap_or_else(|(name, error)| panic!("the topic {name} could not be deleted: {error}"));
    }
    make(&admin, name, partitions).await;
}

/// Deletes the records of a partition before this offset, as retention does.
pub async fn records_deleted(topic: &str, partition: i32, before: i64) {
    let mut gone = TopicPartitionList::new();
    gone.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
    admin().delete_records(&gone, &options()).await.expect("Kafka answers");
}

fn admin() -> AdminClient<DefaultClientContext> {
    stack().kafka("admin").create().expect("the settings are valid")
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)))
}

/// A topic that is being deleted is in the way of another of its name for a moment.
async fn make(admin: &AdminClient<DefaultClientContext>, name: &str, partitions: i32) {
    let wanted = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    crate::eventually("the topic is made", Duration::from_secs(60), async || {
        let answers = admin.create_topics([&wanted], &options()).await.expect("Kafka answers");
        answers.iter().all(Result::is_ok)
    })
    .await;
}
